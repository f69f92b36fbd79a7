// PacketPath, as far as it speaks itself: ICMP errors, resets, and answers to pings of the gateway.
#include <array>

#include "gateway/packet_path.h"
#include "gateway/policy/flow_plan.h"
#include "nat/echo.h"

namespace gateway {

using base::IpAddress;
using flows::Drop;
using flows::Packet;
using flows::Protocol;
using flows::Side;
using flows::Unreachable;
using flows::WireCount;

bool PacketPath::is_for_gateway(Tunnel& tunnel, const RawPacket& raw, const Packet& packet) {
  if (!is_echo_request(packet) ||
      packet.destination.address != addresses_.of_family(packet.destination.address)) {
    return false;
  }
  nat::turn_echo_request(raw.bytes, packet);
  if (const auto reply = flows::parse(raw.bytes, raw.vnet.verified())) {
    send_fitting(tunnel, raw, *reply);
  }
  return true;
}

void PacketPath::ttl_exceeded(Tunnel& tunnel, const RawPacket& raw, const Packet& packet) {
  dropped(tunnel, Drop::kTtlExceeded);
  answer_icmp(tunnel, raw.bytes, packet, flows::time_exceeded(packet.is_v4()),
              addresses_.of_family(packet.source.address));
}

WireCount PacketPath::answer(Tunnel& tunnel, std::span<const std::byte> original,
                             const Packet& packet, std::optional<Unreachable> why) {
  if (why) {
    return answer_icmp(tunnel, original, packet, flows::unreachable(*why, packet),
                       addresses_.of_family(packet.source.address));
  }
  return send_built(tunnel, [&](auto room) { return flows::build_reset(packet, room); });
}

WireCount PacketPath::refuse(Tunnel& tunnel, const RawPacket& raw, const Packet& packet) {
  return answer(tunnel, raw.bytes, packet,
                packet.protocol == Protocol::kTcp ? std::nullopt
                                                  : std::optional(Unreachable::kAdminProhibited));
}

WireCount PacketPath::answer_icmp(Tunnel& tunnel, std::span<const std::byte> original,
                                  const Packet& packet, const flows::IcmpError& error,
                                  const IpAddress& from) {
  if (!tunnel.tenant().icmp_errors.take(loop_.now())) {
    dropped(tunnel, Drop::kIcmpRateLimited);
    return {};
  }
  return send_built(tunnel, [&](auto room) {
    return flows::build_icmp_error(original, packet, error, from, room);
  });
}

template <class Build>
WireCount PacketPath::send_built(Tunnel& tunnel, Build build) {
  std::array<std::byte, RawPacket::kHeadroomBytes + flows::kMaxReplyBytes> buffer;
  const auto room = std::span(buffer).subspan(RawPacket::kHeadroomBytes);
  const auto length = build(room);
  if (!length) {
    return {};
  }
  const RawPacket reply{{}, room.first(*length)};
  const auto parsed = flows::parse(reply.bytes, reply.vnet);
  if (!parsed) {
    return {};
  }
  const auto send = [&] { return send_down(tunnel, reply, *parsed); };
  return answered_ == flows::kNoFlowIndex
             ? send()
             : send_shown(answered_, Side::kResponder, tunnel, reply, send);
}

}  // namespace gateway
