#include "gateway/upgrade/datagram_upgrade.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "base/byte_order.h"
#include "flows/fragmenter.h"
#include "flows/segmenter.h"
#include "gateway/descriptors.h"
#include "gateway/upgrade/socket_error.h"
#include "gateway/upgrade/socket_marks.h"

namespace gateway {

using base::Endpoint;
using base::Fd;
using base::IpAddress;
using base::Unexpected;
using flows::Drop;
using flows::EndReason;
using flows::Flow;
using flows::FlowIndex;
using flows::FlowKey;
using flows::Packet;

namespace {

// Chosen: longer than nearly every answer takes, so that who is waiting for one keeps its socket.
constexpr base::Duration kIdle = std::chrono::seconds(2);

void set_option(const Fd& socket, bool v4, int name_v4, int name_v6, int value) {
  ::setsockopt(socket.get(), v4 ? SOL_IP : SOL_IPV6, v4 ? name_v4 : name_v6, &value, sizeof(value));
}

}  // namespace

std::size_t DatagramUpgrade::Hash::operator()(const Source& source) const {
  base::SipHash<1, 3> hash(key);
  hash.add(base::load_be<std::uint64_t>(source.endpoint.address.bytes(), 0));
  hash.add(base::load_be<std::uint64_t>(source.endpoint.address.bytes(), 8));
  hash.add(std::uint64_t{source.tenant} << 16U | number(source.endpoint.port));
  return hash.finish(0, 24);
}

std::size_t DatagramUpgrade::Hash::operator()(const IpAddress& address) const {
  return base::sip_hash<1, 3>(key, address.bytes());
}

DatagramUpgrade::DatagramUpgrade(EventLoop& loop, FlowKeeper& flows, PacketArena& arena,
                                 UdpFilter filter, base::SipKey seed, Owner& owner)
    : loop_(loop),
      flows_(flows),
      filter_(filter),
      owner_(owner),
      hash_{seed},
      batch_(arena),
      by_source_(0, hash_) {}

DatagramUpgrade::~DatagramUpgrade() {
  for (const auto& mapping : mappings_) {
    if (mapping->socket.is_open()) {
      loop_.unwatch(mapping->socket, *mapping);
    }
  }
}

// ---- Mappings ----

std::optional<Drop> DatagramUpgrade::open(FlowIndex flow, Fd own) {
  const FlowKey& key = flows_[flow].key;
  const Source source{key.source, key.tenant};
  if (const auto known = by_source_.find(source); !own.is_open() && known != by_source_.end()) {
    join(*mappings_[known->second], flow);
    return std::nullopt;
  }
  Budget& budget = budgets_[key.tenant];
  Tunnel* tunnel = flows_.tunnel(flows_[flow].tunnel);
  if (budget.by_use.size() >= tunnel->tenant().settings.max_udp_sockets && !evict_idle(budget)) {
    return Drop::kNoUdpSocket;
  }
  const auto mapping = make_mapping(source, std::move(own), tunnel->tenant().is_alone);
  if (!mapping) {
    return mapping.error();
  }
  join(**mapping, flow);
  return std::nullopt;
}

base::Result<DatagramUpgrade::Mapping*, Drop> DatagramUpgrade::make_mapping(const Source& source,
                                                                            Fd own, bool is_alone) {
  const bool v4 = source.endpoint.address.is_v4();
  const bool is_apps = own.is_open();
  Fd socket = is_apps ? std::move(own) : open_socket(v4);
  auto& by_use = budgets_[source.tenant].by_use;
  if (!socket.is_open() || is_reserved(socket) ||
      (!is_alone && is_for_others(socket, by_use.size()))) {
    return Unexpected{refusal_of(socket.is_open() ? EMFILE : errno)};
  }
  set_option(socket, v4, IP_RECVERR, IPV6_RECVERR, 1);
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(mappings_.size()));
    mappings_.push_back(std::make_unique<Mapping>(hash_));
    mappings_.back()->upgrade = this;
    mappings_.back()->index = free_.back();
  }
  Mapping& mapping = *mappings_[free_.back()];
  if (!loop_.watch(socket, EPOLLIN, mapping)) {
    return Unexpected{Drop::kNoDescriptor};
  }
  free_.pop_back();
  mapping.source = source;
  mapping.socket = std::move(socket);
  mapping.is_apps = is_apps;
  mapping.discover = mapping.ttl = -1;
  mapping.mark = 0;
  mapping.dscp = flows::kOwnDscp;
  mapping.last_used = loop_.now();
  mapping.by_use = by_use.insert(by_use.end(), &mapping);
  if (!is_apps) {
    by_source_.emplace(source, mapping.index);
  }
  return &mapping;
}

void DatagramUpgrade::free_mapping(Mapping& mapping) {
  loop_.unwatch(mapping.socket, mapping);
  mapping.socket.reset();
  budgets_[mapping.source.tenant].by_use.erase(mapping.by_use);
  if (!mapping.is_apps) {
    by_source_.erase(mapping.source);
  }
  free_.push_back(mapping.index);
}

// True: there is room for another.
bool DatagramUpgrade::evict_idle(Budget& budget) {
  Mapping& oldest = *budget.by_use.front();
  if (loop_.now() - oldest.last_used < kIdle) {
    return false;
  }
  // The mapping is freed with its last flow.
  const std::vector<FlowIndex> flows(oldest.flows.begin(), oldest.flows.end());
  for (const FlowIndex flow : flows) {
    flows_.end(flow, EndReason::kEvicted);
  }
  return true;
}

void DatagramUpgrade::join(Mapping& mapping, FlowIndex flow) {
  Flow& record = flows_[flow];
  mapping.flows.insert(flow);
  ++mapping.remotes[record.key.destination.address];
  if (record.upstream != record.key.destination) {
    mapping.elsewhere.add(flow, record.upstream);
  }
  record.attachment = mapping.index;
}

void DatagramUpgrade::detach(FlowIndex flow) {
  Flow& record = flows_[flow];
  Mapping& mapping = *mappings_[record.attachment];
  record.attachment = flows::kNone32;
  mapping.flows.erase(flow);
  mapping.elsewhere.remove(flow);
  const auto remote = mapping.remotes.find(record.key.destination.address);
  if (--remote->second == 0) {
    mapping.remotes.erase(remote);
  }
  if (mapping.flows.empty()) {
    free_mapping(mapping);
  }
}

void DatagramUpgrade::tunnel_changed(std::uint32_t from, std::uint32_t to) {
  for (const auto& mapping : mappings_) {
    if (mapping->tunnel == from) {
      mapping->tunnel = to;
    }
  }
}

void DatagramUpgrade::use(Mapping& mapping) {
  auto& by_use = budgets_[mapping.source.tenant].by_use;
  by_use.splice(by_use.end(), by_use, mapping.by_use);
  mapping.last_used = loop_.now();
}

// ---- To the upstream ----

void DatagramUpgrade::send(FlowIndex flow, const RawPacket& packet, const Packet& parsed) {
  Mapping& mapping = *mappings_[flows_[flow].attachment];
  mapping.tunnel = flows_[flow].tunnel;
  mapping.outer_port = flows_[flow].outer_port;
  use(mapping);
  mapping.elsewhere.ask(flow);
  set_path_options(mapping, parsed);
  set_marks(mapping, flows_[flow]);
  auto rest = content(packet, parsed);
  const std::size_t each = packet.vnet.is_gso() ? packet.vnet.gso_bytes : rest.size();
  do {  // once for a datagram of 0 bytes, too
    const auto piece = rest.first(std::min(each, rest.size()));
    rest = rest.subspan(piece.size());
    send_one(mapping, flow, piece, packet, parsed);
  } while (!rest.empty());
}

// As socket options, and only when they change: a client's packets are nearly always alike, and
// not every kernel takes both as control messages of a ping socket.
void DatagramUpgrade::set_path_options(Mapping& mapping, const Packet& parsed) {
  // The values of IPV6_MTU_DISCOVER are the same.
  const int discover = parsed.dont_fragment ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT;
  if (std::exchange(mapping.discover, discover) != discover) {
    set_option(mapping.socket, mapping.is_v4(), IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, discover);
  }
  const int ttl = parsed.ttl - 1;
  if (std::exchange(mapping.ttl, ttl) != ttl) {
    set_option(mapping.socket, mapping.is_v4(), IP_TTL, IPV6_UNICAST_HOPS, ttl);
  }
}

// The flows of a mapping may be of several rules.
void DatagramUpgrade::set_marks(Mapping& mapping, const Flow& flow) {
  if (std::exchange(mapping.mark, flow.mark) != flow.mark) {
    (void)set_mark(mapping.socket, flow.mark);
  }
  if (std::exchange(mapping.dscp, flow.dscp) != flow.dscp) {
    set_dscp(mapping.socket, mapping.is_v4(), flow.dscp);
  }
}

void DatagramUpgrade::send_one(Mapping& mapping, FlowIndex flow, std::span<std::byte> content,
                               const RawPacket& packet, const Packet& parsed) {
  const base::SocketAddress to(flows_[flow].upstream);
  const auto try_once = [&] {
    const ssize_t sent =
        ::sendto(mapping.socket.get(), content.data(), content.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                 mapping.is_apps ? nullptr : to.data(), mapping.is_apps ? 0 : to.size());
    return sent < 0 ? errno : 0;
  };
  int error = try_once();
  ErrorsRead read;
  if (error != 0 && error != EAGAIN) {
    read = read_errors(mapping);
    if (read.any && !read.mtu_bytes) {
      error = try_once();  // that was an earlier datagram's, reported with the next call
    }
  }
  if (error != 0) {
    send_failed(flow, error, read, packet, parsed);
  }
}

void DatagramUpgrade::send_failed(FlowIndex flow, int error, const ErrorsRead& read,
                                  const RawPacket& packet, const Packet& parsed) {
  owner_.dropped(flow, Drop::kUpstreamSendFailed);
  if (read.mtu_bytes) {
    owner_.failed_upstream(flow, packet.bytes, flows::too_big(parsed.is_v4(), *read.mtu_bytes),
                           std::nullopt);
  } else if (const auto why = as_unreachable(error)) {
    owner_.failed_upstream(flow, packet.bytes, flows::unreachable(*why, parsed), std::nullopt);
  }
}

// ---- From the upstream ----

void DatagramUpgrade::receive(Mapping& mapping, std::uint32_t events) {
  if ((events & EPOLLERR) != 0) {
    read_errors(mapping);
  }
  const std::size_t lead = headers_bytes(mapping.is_v4());
  const std::size_t count = batch_.receive(mapping.socket, lead);
  for (std::size_t i = 0; i < count; ++i) {
    const auto remote = batch_.remote(i);
    const auto packet = batch_.packet(i);
    if (packet.size() > DatagramBatch::kMaxPacketBytes || (!remote && !mapping.is_apps)) {
      owner_.dropped(Drop::kTooBig);
    } else {
      deliver(mapping, remote.value_or(Endpoint{}), packet);
    }
  }
}

void DatagramUpgrade::deliver(Mapping& mapping, const Endpoint& remote,
                              std::span<std::byte> packet) {
  const FlowKey key = key_of(mapping, remote);
  const auto flow = find_or_open(mapping, key, remote);
  const Tunnel* tunnel = flow ? flows_.tunnel(flows_[*flow].tunnel) : nullptr;
  if (tunnel == nullptr) {
    owner_.dropped(flow ? Drop::kFilteredReply : flow.error());
    return;
  }
  use(mapping);
  const auto vnet = wrap(packet, {.from = key.destination, .to = key.source});
  if (!vnet) {
    owner_.dropped(*flow, Drop::kTruncated);
    return;
  }
  const RawPacket raw{*vnet, packet};
  if (packet.size() <= tunnel->info().mtu_bytes) {
    owner_.from_upstream(*flow, raw);
  } else {
    deliver_in_fragments(*flow, raw, tunnel->info().mtu_bytes);
  }
}

base::Result<FlowIndex, Drop> DatagramUpgrade::find_or_open(Mapping& mapping, const FlowKey& key,
                                                            const Endpoint& remote) {
  if (const auto flow = find(mapping, key)) {
    return *flow;
  }
  if (!lets_in(mapping, key.destination.address)) {
    return Unexpected{Drop::kFilteredReply};
  }
  const auto flow = owner_.open_beside(mapping.tunnel, key, remote);
  if (flow) {
    flows_[*flow].outer_port = mapping.outer_port;
    join(mapping, *flow);
  }
  return flow;
}

void DatagramUpgrade::deliver_in_fragments(FlowIndex flow, const RawPacket& packet,
                                           std::size_t mtu_bytes) {
  const auto parsed = flows::parse(packet.bytes, packet.vnet.verified());
  if (!parsed) {
    owner_.dropped(flow, parsed.error());
    return;
  }
  flows::complete_checksum(packet.bytes, *parsed, packet.vnet);
  thread_local std::array<std::byte, RawPacket::kHeadroomBytes + 65535> scratch;
  const auto room = std::span(scratch).subspan(RawPacket::kHeadroomBytes);
  flows::Fragmenter fragmenter(packet.bytes, mtu_bytes, ++next_fragment_id_);
  while (const auto length = fragmenter.next(room)) {
    owner_.from_upstream(flow, {{}, room.first(*length)});
  }
}

bool DatagramUpgrade::lets_in(const Mapping& mapping, const IpAddress& remote) const {
  switch (filter_) {
    case UdpFilter::kEndpointIndependent:
      return true;
    case UdpFilter::kAddressDependent:
      return mapping.remotes.contains(remote);
    case UdpFilter::kAddressAndPortDependent:
      return false;
  }
  base::check_failed("filter_ is a UdpFilter", __FILE__, __LINE__);
}

FlowKey DatagramUpgrade::key_of(const Mapping& mapping, const Endpoint& remote) const {
  if (mapping.is_apps && !mapping.flows.empty()) {
    return flows_[*mapping.flows.begin()].key;  // whoever it is that the app's socket speaks to
  }
  if (const auto asker = mapping.elsewhere.last_of(remote)) {
    return flows_[*asker].key;
  }
  const Endpoint& source = mapping.source.endpoint;
  FlowKey key{.source = source,
              .destination = {owner_.inside_of(remote.address), remote_port(remote, source)},
              .tenant = mapping.source.tenant,
              .protocol = protocol(mapping.is_v4()),
              .icmp_type = flows::echo_request_of(protocol(mapping.is_v4()))};
  if (const auto stand_in = owner_.stand_in_of(remote)) {
    FlowKey asked = key;
    asked.destination.address = *stand_in;
    if (flows_.find(asked)) {
      return asked;
    }
  }
  return key;
}

std::optional<FlowIndex> DatagramUpgrade::find(const Mapping& mapping, const FlowKey& key) const {
  const auto match = flows_.find(key);
  const bool ours = match && mapping.flows.contains(match->index);
  return ours ? std::optional(match->index) : std::nullopt;
}

// ---- Errors ----

DatagramUpgrade::ErrorsRead DatagramUpgrade::read_errors(Mapping& mapping) {
  // In front of the quote there is room for the headers that it has lost.
  std::array<std::byte, flows::kMaxReplyBytes> buffer;
  const std::size_t lead = headers_bytes(mapping.is_v4());
  ErrorsRead read;
  while (const auto error = read_error(mapping.socket, std::span(buffer).subspan(lead))) {
    read.any = true;
    if (error->mtu_bytes) {
      read.mtu_bytes = error->mtu_bytes;
    } else if (error->icmp) {
      report(mapping, *error, std::span(buffer).first(lead + error->quote.size()));
    }
  }
  return read;
}

// `packet` is the quote with room for headers in front: the datagram as the client sent it, as far
// as the network has given it back. Where that is not all of it, its length fields say what is
// there.
void DatagramUpgrade::report(Mapping& mapping, const QueuedError& error,
                             std::span<std::byte> packet) {
  const FlowKey key = key_of(mapping, error.destination);
  const auto flow = find(mapping, key);
  const auto vnet = wrap(packet, {.from = key.source, .to = key.destination, .ttl = 1});
  if (!flow || !vnet) {
    owner_.dropped(Drop::kUnrelatedIcmpError);
    return;
  }
  if (const auto parsed = flows::parse(packet, vnet->verified())) {
    flows::complete_checksum(packet, *parsed, *vnet);
    const auto from =
        error.offender ? std::optional(owner_.inside_of(*error.offender)) : std::nullopt;
    owner_.failed_upstream(*flow, packet, *error.icmp, from);
  }
}

}  // namespace gateway
