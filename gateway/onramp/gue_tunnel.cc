#include "gateway/onramp/gue_tunnel.h"

#include <algorithm>
#include <utility>

#include "flows/segmenter.h"

namespace gateway {

using flows::Drop;
using flows::WireCount;

GueTunnel::GueTunnel(TunnelInfo info, Tenant& tenant, const GueKey& key, const Ports& ports,
                     const FlowKeeper& keeper, GueSender& sender, Sink& sink)
    : Tunnel(std::move(info), tenant),
      key_(key),
      ports_(ports),
      path_{.tunnel = *this, .peer = key.peer, .local = key.local},
      keeper_(keeper),
      sender_(sender),
      sink_(sink) {}

bool GueTunnel::may_take_over(const Tunnel& owner) const {
  return owner.info().onramp == info().onramp;
}

WireCount GueTunnel::send(const RawPacket& packet, const flows::Packet& parsed) {
  if (flows::longest_segment_bytes(parsed, packet.vnet) > info().mtu_bytes) {
    return drop(Drop::kTooBig);
  }
  const std::size_t header_bytes = flows::gue_header_bytes(key_.form);
  const std::size_t longest = header_bytes + flows::longest_segment_bytes(parsed, packet.vnet);
  const base::Port port = port_for(parsed);
  flows::Segmenter segmenter(packet.bytes, parsed, packet.vnet);
  WireCount carried;
  for (std::size_t i = 0; i < segmenter.count(); ++i) {
    const auto room = sender_.room(longest);
    const auto length = room.empty() ? std::nullopt : segmenter.next(room.subspan(header_bytes));
    if (!length) {
      for (; i < segmenter.count(); ++i) {
        drop(Drop::kTunnelQueueFull);
      }
      break;
    }
    flows::encode_gue(key_.form, parsed.is_v4(), room.first(header_bytes));
    sender_.commit(header_bytes + *length, path_, port);
    ++carried.packets;
    carried.bytes += *length;
  }
  return carried;
}

base::Port GueTunnel::port_for(const flows::Packet& parsed) {
  const auto known = [this](base::Port port) { return number(port) != 0 ? port : ports_.port; };
  if (!ports_.of_source) {
    return ports_.port;
  }
  const auto match = keeper_.find(flows::key_of(tenant().settings.id, parsed));
  if (!match) {
    return known(outer_port);  // an answer to what is at hand
  }
  if (match->sender == flows::Side::kResponder) {
    return known(keeper_.table()[match->index].outer_port);
  }
  return ports_.is_route ? ports_.port : known(outer_port);
}

WireCount GueTunnel::drop(Drop reason) {
  sink_.dropped(*this, reason);
  return {};
}

}  // namespace gateway
