#include "gateway/onramp/gue_door.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "gateway/log.h"
#include "gateway/onramp/udp_segmentation.h"

namespace gateway {

using base::Instant;
using flows::Drop;

namespace {

std::uint64_t word_of(const base::IpAddress& address, std::size_t index) {
  std::uint64_t word = 0;
  std::memcpy(&word, address.bytes().data() + index * sizeof(word), sizeof(word));
  return word;
}

std::string form_name(const flows::GueForm& form) {
  return form.bare ? "bare" : form.tenant ? "named" : "header";
}

// The tenant's prefixes that lead to this outer address.
std::vector<base::IpPrefix> routed_to(const TenantSettings& tenant, const base::IpAddress& peer) {
  std::vector<base::IpPrefix> prefixes;
  for (const TenantRoute& route : tenant.routes) {
    if (route.gue && route.gue->address == peer) {
      prefixes.push_back(route.prefix);
    }
  }
  return prefixes;
}

// Where the configuration says that the peer listens.
std::optional<base::Port> configured_port(const TenantSettings& tenant,
                                          const base::IpAddress& peer) {
  for (const TenantRoute& route : tenant.routes) {
    if (route.gue && route.gue->address == peer) {
      return route.gue->port;
    }
  }
  return std::nullopt;
}

}  // namespace

std::size_t GueDoor::Hash::operator()(const GueKey& of) const {
  base::SipHash<1, 3> hash(key);
  for (const base::IpAddress* address : {&of.peer, &of.local}) {
    hash.add(word_of(*address, 0));
    hash.add(word_of(*address, 1));
  }
  hash.add((of.form.bare ? 1ULL << 33U : 0) | (of.form.tenant ? 1ULL << 32U : 0) |
           of.form.tenant.value_or(0));
  return hash.finish(0, 40);
}

GueDoor::GueDoor(GueSocket socket, const GueOnramp& settings, base::SipKey seed,
                 const Surroundings& with, Others others)
    : socket_(std::move(socket)),
      settings_(settings),
      loop_(with.loop),
      arena_(with.arena),
      flows_(with.flows),
      owner_(with.owner),
      peers_(settings, with.tenants),
      sender_(socket_.fd, *this, socket_.offload && kernel_cuts_datagrams_right()),
      tunnels_(0, Hash{seed}),
      others_(std::move(others)) {
  const std::set<std::uint32_t> speakers = peers_.tenants();
  is_shared_ = std::ranges::count_if(speakers, [this](std::uint32_t tenant) {
                 return !others_.exchange || others_.exchange->is_home(others_.own_shard, tenant);
               }) > 1;
}

GueDoor::~GueDoor() {
  sender_.flush();  // the last RSTs
  loop_.unwatch(socket_.fd, *this);
  if (others_.exchange) {
    loop_.unwatch(others_.exchange->bell(others_.own_shard), bell_);
  }
}

base::SysResult<void> GueDoor::start() {
  if (others_.exchange) {
    handed_.resize(others_.exchange->shard_count());
    auto rings = loop_.watch(others_.exchange->bell(others_.own_shard), EPOLLIN, bell_);
    if (!rings) {
      return rings;
    }
  }
  return loop_.watch(socket_.fd, EPOLLIN, *this);
}

void GueDoor::on_ready(std::uint32_t events) {
  if ((events & EPOLLOUT) != 0 && waits_for_room_) {
    waits_for_room_ = false;
    (void)loop_.rewatch(socket_.fd, EPOLLIN, *this).has_value();  // fails only without memory
    sender_.flush();
  }
  if ((events & ~std::uint32_t{EPOLLOUT}) != 0) {
    receive();
  }
  if (events == 0) {
    sender_.flush();
  }
}

void GueDoor::wants_room() {
  if (!waits_for_room_) {
    waits_for_room_ = loop_.rewatch(socket_.fd, EPOLLIN | EPOLLOUT, *this).has_value();
  }
}

void GueDoor::send_failed(const GuePath& path, Drop reason, std::size_t datagrams) {
  for (std::size_t i = 0; i < datagrams; ++i) {
    owner_.dropped(path.tunnel, reason);
  }
}

void GueDoor::receive() {
  const std::size_t count = receiver_.receive(socket_.fd);
  for (std::size_t i = 0; i < count; ++i) {
    take(receiver_.message(i));
  }
  deliver();
  wake_others();
}

void GueDoor::take_handed(bool rang) {
  GueExchange& exchange = *others_.exchange;
  if (rang) {
    exchange.silence(others_.own_shard);
  }
  const bool all = exchange.take(
      others_.own_shard, PacketArena::kBatch,
      [this](const DatagramRing::Datagram& handed) {
        take_datagram({.from = handed.from,
                       .to = handed.to,
                       .bytes = handed.bytes,
                       .datagram_bytes = handed.bytes.size()},
                      handed.bytes);
      },
      [this] { deliver(); });
  if (!all) {
    loop_.again(bell_);
  }
}

void GueDoor::hand_over(std::size_t shard, const GueReceiver::Message& message,
                        std::span<std::byte> datagram) {
  if (others_.exchange->hand_over(others_.own_shard, shard,
                                  {.from = message.from, .to = message.to, .bytes = datagram})) {
    handed_[shard] = true;
  } else {
    owner_.dropped(Drop::kGueWorkerBusy);
  }
}

void GueDoor::wake_others() {
  for (std::size_t shard = 0; shard < handed_.size(); ++shard) {
    if (handed_[shard]) {
      handed_[shard] = false;
      others_.exchange->wake(shard);
    }
  }
}

void GueDoor::take(const GueReceiver::Message& message) {
  const base::IpAddress& own = socket_.is_wildcard ? message.to : socket_.listen.address;
  const bool is_own = message.from == base::Endpoint{own, socket_.listen.port};
  std::span<std::byte> rest = message.bytes;
  do {
    const std::size_t bytes = std::min(rest.size(), message.datagram_bytes);
    if (is_own) {
      owner_.dropped(Drop::kGueOwnDatagram);
    } else {
      take_datagram(message, rest.first(bytes));
    }
    rest = rest.subspan(bytes);
  } while (!rest.empty());
}

void GueDoor::take_datagram(const GueReceiver::Message& message, std::span<std::byte> datagram) {
  const auto decoded = flows::decode_gue(datagram);
  if (!decoded) {
    // A stranger's datagrams are no peer's mistakes.
    const auto stranger = peers_.tenant_of(message.from.address, std::nullopt);
    owner_.dropped(stranger ? decoded.error() : stranger.error());
    return;
  }
  if (gathered_count_ == gathered_.size()) {
    deliver();
  }
  std::span<std::byte> packet = datagram.subspan(decoded->header_bytes);
  GueTunnel* tunnel = tunnel_of(message, *decoded, datagram);
  if (tunnel == nullptr) {
    return;
  }
  if (datagram.size() != message.bytes.size()) {
    // What is in front of it is another packet, and a RawPacket's headroom may be written to.
    const auto slot = arena_.slot(gathered_count_, PacketArena::kMaxPacketBytes);
    std::ranges::copy(packet, slot.begin());
    packet = slot.first(packet.size());
  }
  gathered_[gathered_count_++] = {
      .tunnel = tunnel, .port = message.from.port, .packet = {.vnet = {}, .bytes = packet}};
}

GueTunnel* GueDoor::tunnel_of(const GueReceiver::Message& message, const flows::GueMessage& decoded,
                              std::span<std::byte> datagram) {
  const GueKey key{.peer = message.from.address, .local = message.to, .form = decoded.form};
  if (last_ != nullptr && last_->key() == key) {
    return last_;
  }
  if (const auto found = tunnels_.find(key); found != tunnels_.end()) {
    last_ = found->second;
    return last_;
  }
  const auto tenant = peers_.tenant_of(key.peer, key.form.tenant);
  if (!tenant) {
    owner_.dropped(tenant.error());
    return nullptr;
  }
  if (others_.exchange && others_.exchange->home_of(*tenant) != others_.own_shard) {
    hand_over(others_.exchange->home_of(*tenant), message, datagram);
    return nullptr;
  }
  last_ = open_tunnel(key, *tenant, datagram.subspan(decoded.header_bytes));
  return last_;
}

std::optional<Drop> GueDoor::limit_met(std::uint32_t tenant) const {
  const std::size_t peers = tunnels_.size() - routes_;
  if (peers >= settings_.max_peers) {
    return Drop::kGueTooManyPeers;
  }
  const auto own = peers_of_.find(tenant);
  if (is_shared_ && own != peers_of_.end() && own->second >= settings_.max_peers - peers) {
    return Drop::kGueTenantPeerLimit;
  }
  return std::nullopt;
}

GueTunnel* GueDoor::open_tunnel(const GueKey& key, std::uint32_t id,
                                std::span<const std::byte> packet) {
  if (const auto parsed = flows::parse(packet, {}); !parsed) {
    owner_.dropped(parsed.error());
    return nullptr;
  }
  if (const auto limit = limit_met(id)) {
    owner_.dropped(*limit);
    return nullptr;
  }
  ++peers_of_[id];
  Tenant& tenant = *owner_.tenant(id);
  const bool of_source = number(settings_.reply_port) == 0;
  const base::Port usual = of_source ? kGuePort : settings_.reply_port;
  return &add_tunnel(key, tenant,
                     {.port = configured_port(tenant.settings, key.peer).value_or(usual),
                      .is_route = false,
                      .of_source = of_source});
}

void GueDoor::add_route(Tenant& tenant, const TenantRoute& route) {
  const auto own = peers_.tenant_of(route.gue->address, std::nullopt);
  GueKey key{.peer = route.gue->address, .local = {}, .form = {}};
  if (own && *own != tenant.settings.id) {
    key.form.tenant = tenant.settings.id;
  }
  const auto found = tunnels_.find(key);
  if (found == tunnels_.end()) {
    ++routes_;
  }
  const GueTunnel& peer = found != tunnels_.end()
                              ? *found->second
                              : add_tunnel(key, tenant,
                                           {.port = route.gue->port,
                                            .is_route = true,
                                            .of_source = number(settings_.reply_port) == 0});
  tenant.routes.add(route.prefix, peer.id());
}

GueTunnel& GueDoor::add_tunnel(const GueKey& key, Tenant& tenant, const GueTunnel::Ports& ports) {
  const std::string name = key.peer.to_string();
  auto tunnel =
      std::make_unique<GueTunnel>(TunnelInfo{.id = owner_.register_tunnel(name),
                                             .name = name,
                                             .onramp = "gue",
                                             .addresses = {},
                                             .routed = routed_to(tenant.settings, key.peer),
                                             .mtu_bytes = settings_.mtu_bytes,
                                             .offload = false,
                                             .labels = {{"form", form_name(key.form)}},
                                             .opened_ns = base::to_nanoseconds(loop_.now())},
                                  tenant, key, ports, flows_, sender_, owner_);
  GueTunnel& added = *tunnel;
  tunnels_.emplace(key, &added);
  owner_.peer_heard(std::move(tunnel));
  return added;
}

void GueDoor::deliver() {
  for (std::size_t i = 0; i < gathered_count_; ++i) {
    if (gathered_[i].tunnel != nullptr) {
      deliver_group(i);
    }
  }
  gathered_count_ = 0;
}

// All packets of one tunnel, and of one port where answers go to it. They stay in order.
void GueDoor::deliver_group(std::size_t first) {
  GueTunnel& tunnel = *gathered_[first].tunnel;
  const bool of_source = number(settings_.reply_port) == 0;
  const base::Port port = of_source ? gathered_[first].port : base::Port{};
  std::array<RawPacket, PacketArena::kBatch> packets;
  std::size_t count = 0;
  for (Gathered& one : std::span(gathered_).first(gathered_count_).subspan(first)) {
    if (one.tunnel == &tunnel && (!of_source || one.port == port)) {
      one.tunnel = nullptr;
      packets[count++] = one.packet;
    }
  }
  tunnel.last_heard = loop_.now();
  tunnel.outer_port = port;
  owner_.packets_from(tunnel, std::span(packets).first(count));
}

void GueDoor::tick(Instant now) {
  if (now >= next_tick_) {
    next_tick_ = now + settings_.peer_timeout / 4;
    forget_idle(now);
  }
}

void GueDoor::forget_idle(Instant now) {
  if (!sender_.is_empty()) {
    return;  // what waits there may be for one of them
  }
  std::vector<GueTunnel*> idle;
  for (const auto& [key, tunnel] : tunnels_) {
    if (!tunnel->is_route() && tunnel->flows.size + tunnel->peer_flows.size == 0 &&
        now - tunnel->last_heard >= settings_.peer_timeout) {
      idle.push_back(tunnel);
    }
  }
  for (GueTunnel* tunnel : idle) {
    last_ = nullptr;
    --peers_of_[tunnel->tenant().settings.id];
    tunnels_.erase(tunnel->key());
    owner_.tunnel_closed(*tunnel);
  }
}

}  // namespace gateway
