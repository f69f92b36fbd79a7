#include "gateway/offramp/fitting.h"

#include <algorithm>
#include <array>

#include "flows/fragmenter.h"
#include "flows/segmenter.h"

namespace gateway {

using flows::Packet;
using flows::WireCount;

namespace {

using Scratch = std::array<std::byte, RawPacket::kHeadroomBytes + 65535>;

std::span<std::byte> room_in(Scratch& scratch) {
  return std::span(scratch).subspan(RawPacket::kHeadroomBytes);
}

void send(Tunnel& tunnel, const RawPacket& raw, WireCount& carried) {
  if (const auto parsed = flows::parse(raw.bytes, raw.vnet.verified())) {
    const WireCount sent = tunnel.send(raw, *parsed);
    carried.packets += sent.packets;
    carried.bytes += sent.bytes;
  }
}

}  // namespace

bool fits(const Tunnel& tunnel, const RawPacket& raw, const Packet& packet) {
  return flows::longest_segment_bytes(packet, raw.vnet) <= tunnel.info().mtu_bytes;
}

WireCount send_in_fragments(Tunnel& tunnel, const RawPacket& raw, const Packet& packet,
                            std::uint32_t id) {
  thread_local Scratch of_segment;
  thread_local Scratch of_fragment;
  const std::size_t mtu_bytes = tunnel.info().mtu_bytes;
  WireCount carried;
  // A packet that is no super-segment comes out as it is, its checksum complete.
  flows::Segmenter segmenter(raw.bytes, packet, raw.vnet);
  while (const auto length = segmenter.next(room_in(of_segment))) {
    const auto segment = room_in(of_segment).first(*length);
    if (segment.size() <= mtu_bytes) {  // the last may be short
      send(tunnel, {{}, segment}, carried);
      continue;
    }
    auto fragmenter = may_be_cut(packet) ? flows::Fragmenter(segment, mtu_bytes)
                                         : flows::Fragmenter(segment, mtu_bytes, id);
    while (const auto size = fragmenter.next(room_in(of_fragment))) {
      send(tunnel, {{}, room_in(of_fragment).first(*size)}, carried);
    }
  }
  return carried;
}

}  // namespace gateway
