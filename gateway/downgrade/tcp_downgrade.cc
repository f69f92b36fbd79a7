#include "gateway/downgrade/tcp_downgrade.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "gateway/flow/sandbox_plan.h"
#include "gateway/upgrade/mss.h"

namespace gateway {

using base::Endpoint;
using base::Fd;
using base::Unexpected;
using flows::FlowIndex;
using flows::Packet;

base::Result<Fd, int> TcpDowngrade::connect(FlowIndex flow) {
  const bool v4 = flows_[flow].key.destination.address.is_v4();
  SocketPool& pool = sandbox_.pool();
  Fd socket = pool.take(v4);
  if (!socket.is_open()) {
    return Unexpected{pool.is_filling(v4) ? EAGAIN : ENOBUFS};
  }
  const base::SocketAddress far(ends_of(flow).far);
  if (::connect(socket.get(), far.data(), far.size()) != 0 && errno != EINPROGRESS) {
    return Unexpected{errno};
  }
  base::SocketAddress near;
  if (::getsockname(socket.get(), near.data(), &near.size()) != 0) {
    return Unexpected{errno};
  }
  flows_.bindings().set_note(flows_.responder_binding(flow),
                             number(near.endpoint().value_or(Endpoint{}).port));
  return socket;
}

TcpDowngrade::Ends TcpDowngrade::ends_of(FlowIndex flow) const {
  const nat::Family family =
      flows_.table()[flow].key.destination.address.is_v4() ? nat::Family::kV4 : nat::Family::kV6;
  const nat::BindingIndex binding = flows_.responder_binding(flow);
  const auto port = static_cast<std::uint16_t>(flows_.bindings().note(binding));
  return {.near = {listener_endpoint(family).address, base::Port{port}},
          .far = flows_.bindings().outside(binding, family)};
}

// Both ways: the sandbox's own MTU is larger than any tunnel's.
void TcpDowngrade::clamp_mss(FlowIndex flow, const RawPacket& packet, const Packet& parsed) const {
  const Tunnel* tunnel =
      flows_.tunnel(flows::tunnel_of(flows_.table()[flow], flows::Side::kResponder));
  if (parsed.tcp_flags.syn() && tunnel != nullptr) {
    nat::clamp_mss(packet.bytes, parsed, packet.vnet,
                   mss_for_mtu(tunnel->info().mtu_bytes, parsed.is_v4()));
  }
}

void TcpDowngrade::to_responder(FlowIndex flow, const RawPacket& packet, const Packet& parsed) {
  clamp_mss(flow, packet, parsed);
  const flows::FlowKey& key = flows_[flow].key;
  nat::rewrite(packet.bytes, parsed, packet.vnet,
               {.source = key.source, .destination = key.destination});
}

void TcpDowngrade::to_sandbox(FlowIndex flow, const RawPacket& packet, const Packet& parsed) {
  clamp_mss(flow, packet, parsed);
  const Ends ends = ends_of(flow);
  nat::rewrite(packet.bytes, parsed, packet.vnet, {.source = ends.far, .destination = ends.near});
}

void TcpDowngrade::error_to_sandbox(FlowIndex flow, const RawPacket& packet, const Packet& parsed,
                                    const nat::Quote& quote) {
  const Ends ends = ends_of(flow);
  nat::rewrite_icmp_error(packet.bytes, parsed, quote,
                          {.source = ends.far, .destination = ends.near},
                          {.source = ends.near, .destination = ends.far});
}

}  // namespace gateway
