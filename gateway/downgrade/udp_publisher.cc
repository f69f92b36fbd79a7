#include "gateway/downgrade/udp_publisher.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/byte_order.h"
#include "flows/datagram.h"

namespace gateway {

using base::Endpoint;
using base::Fd;
using base::IpAddress;
using flows::Drop;
using flows::FlowIndex;
using flows::Packet;
using flows::Protocol;

std::size_t UdpPublisher::Hash::operator()(const Remote& remote) const {
  base::SipHash<1, 3> hash(key);
  hash.add(base::load_be<std::uint64_t>(remote.endpoint.address.bytes(), 0));
  hash.add(base::load_be<std::uint64_t>(remote.endpoint.address.bytes(), 8));
  hash.add(std::uint64_t{remote.port} << 16U | number(remote.endpoint.port));
  return hash.finish(0, 24);
}

UdpPublisher::UdpPublisher(EventLoop& loop, FlowKeeper& flows, PublishedFlows& published,
                           PacketArena& arena, base::SipKey key, Owner& owner)
    : loop_(loop),
      flows_(flows),
      published_(published),
      owner_(owner),
      batch_(arena),
      by_remote_(0, Hash{key}) {}

UdpPublisher::~UdpPublisher() {
  for (const auto& port : ports_) {
    loop_.unwatch(port->socket, *port);
  }
}

base::SysResult<void> UdpPublisher::publish(Fd socket, Tenant& tenant, const Endpoint& to) {
  const int on = 1;
  // The one that is not of the socket's family fails, and changes nothing.
  ::setsockopt(socket.get(), SOL_IP, IP_PKTINFO, &on, sizeof(on));
  ::setsockopt(socket.get(), SOL_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
  auto port = std::make_unique<Port>();
  port->publisher = this;
  port->index = static_cast<std::uint32_t>(ports_.size());
  port->socket = std::move(socket);
  port->tenant = &tenant;
  port->to = to;
  if (auto watched = loop_.watch(port->socket, EPOLLIN, *port); !watched) {
    return watched;
  }
  ports_.push_back(std::move(port));
  return {};
}

// ---- To the tunnel ----

void UdpPublisher::receive(Port& port) {
  const std::size_t lead = flows::ip_header_bytes(port.to.address.is_v4()) + flows::kUdpHeaderBytes;
  const std::size_t count = batch_.receive(port.socket, lead);
  const std::size_t most = port.to.address.is_v4() ? 65535 : DatagramBatch::kMaxPacketBytes;
  for (std::size_t i = 0; i < count; ++i) {
    const auto remote = batch_.remote(i);
    const auto local = local_of(batch_.header(i));
    const auto packet = batch_.packet(i);
    if (!remote || !local || packet.size() > most) {
      owner_.dropped(Drop::kTooBig);
    } else {
      deliver(port, *remote, *local, packet);
    }
  }
}

void UdpPublisher::deliver(Port& port, const Endpoint& remote, const Local& local,
                           std::span<std::byte> packet) {
  const auto flow = flow_of(port, {remote, port.index});
  if (!flow) {
    return;
  }
  clients_[flows_[*flow].attachment].local = local;
  const flows::FlowKey& key = flows_[*flow].key;
  owner_.to_responder(
      *flow,
      {flows::write_udp_headers(packet, {.from = key.source, .to = key.destination}), packet});
}

std::optional<FlowIndex> UdpPublisher::flow_of(Port& port, const Remote& remote) {
  if (const auto known = by_remote_.find(remote); known != by_remote_.end()) {
    return clients_[known->second].flow;
  }
  TimeShare& time = owner_.opening_time();
  if (!time.has_time(loop_.now())) {
    owner_.dropped(Drop::kOverloaded);
    return std::nullopt;
  }
  const TimeShare::Spending opening(time);
  const auto flow = published_.open(*port.tenant, remote.endpoint, port.to, Protocol::kUdp);
  if (!flow) {
    owner_.dropped(flow.error());
    return std::nullopt;
  }
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(clients_.size()));
    clients_.emplace_back();
  }
  const std::uint32_t index = free_.back();
  free_.pop_back();
  clients_[index] = {.flow = *flow, .remote = remote, .local = {}};
  by_remote_.emplace(remote, index);
  flows_[*flow].attachment = index;
  return *flow;
}

void UdpPublisher::detach(FlowIndex flow) {
  const std::uint32_t index = std::exchange(flows_[flow].attachment, flows::kNone32);
  by_remote_.erase(clients_[index].remote);
  clients_[index] = {};
  free_.push_back(index);
}

// ---- From the tunnel ----

void UdpPublisher::answer(FlowIndex flow, const RawPacket& packet, const Packet& parsed) {
  if (flows_[flow].attachment == flows::kNone32) {  // killed
    owner_.dropped(flow, Drop::kNoFlow);
    return;
  }
  const Client& client = clients_[flows_[flow].attachment];
  auto rest = packet.bytes.subspan(parsed.payload_offset);
  const std::size_t each = packet.vnet.is_gso() ? packet.vnet.gso_bytes : rest.size();
  do {  // once for a datagram of 0 bytes, too
    const auto piece = rest.first(std::min(each, rest.size()));
    rest = rest.subspan(piece.size());
    send_piece(flow, client, piece);
  } while (!rest.empty());
}

void UdpPublisher::send_piece(FlowIndex flow, const Client& client, std::span<std::byte> piece) {
  base::SocketAddress to(client.remote.endpoint);
  iovec content{piece.data(), piece.size()};
  DatagramBatch::Control control;
  msghdr header{};
  header.msg_name = to.data();
  header.msg_namelen = to.size();
  header.msg_iov = &content;
  header.msg_iovlen = 1;
  set_local(header, control, client.local);
  const Fd& socket = ports_[client.remote.port]->socket;
  if (::sendmsg(socket.get(), &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    owner_.dropped(flow, Drop::kUpstreamSendFailed);
  }
}

// ---- The address that a client has spoken to ----

std::optional<UdpPublisher::Local> UdpPublisher::local_of(msghdr& header) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level == SOL_IP && part->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(part), sizeof(info));
      return Local{IpAddress::v4(ntohl(info.ipi_spec_dst.s_addr)), 0};
    }
    if (part->cmsg_level == SOL_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(part), sizeof(info));
      sockaddr_in6 address{};
      address.sin6_family = AF_INET6;
      address.sin6_addr = info.ipi6_addr;
      base::SocketAddress local;
      std::memcpy(local.data(), &address, sizeof(address));
      const auto endpoint = local.endpoint();
      return endpoint ? std::optional(Local{endpoint->address, info.ipi6_ifindex}) : std::nullopt;
    }
  }
  return std::nullopt;
}

void UdpPublisher::set_local(msghdr& header, DatagramBatch::Control& control, const Local& local) {
  const auto put = [&](int level, int type, const auto& info) {
    header.msg_control = control.bytes.data();
    header.msg_controllen = CMSG_SPACE(sizeof(info));
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = level;
    part->cmsg_type = type;
    part->cmsg_len = CMSG_LEN(sizeof(info));
    std::memcpy(CMSG_DATA(part), &info, sizeof(info));
  };
  if (local.address.is_v4()) {
    in_pktinfo info{};
    info.ipi_spec_dst.s_addr = htonl(local.address.v4_number());
    put(SOL_IP, IP_PKTINFO, info);
    return;
  }
  in6_pktinfo info{};
  info.ipi6_ifindex = local.interface;
  std::memcpy(&info.ipi6_addr, local.address.bytes().data(), sizeof(info.ipi6_addr));
  put(SOL_IPV6, IPV6_PKTINFO, info);
}

}  // namespace gateway
