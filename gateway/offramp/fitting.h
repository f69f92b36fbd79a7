// Fitting: packets that are longer than the tunnel they go to.
//
// An IPv4 packet without DF is cut into fragments. All others are too long: who sent them is told
// which MTU would do (RFC 1191, RFC 8201), and that is never 0: it is the tunnel's. A super-segment
// is as long as the longest packet that it stands for.
#pragma once

#include <cstdint>

#include "flows/packet.h"
#include "gateway/onramp/raw_packet.h"
#include "gateway/onramp/tunnel.h"

namespace gateway {

[[nodiscard]] bool fits(const Tunnel& tunnel, const RawPacket& raw, const flows::Packet& packet);

/// Whether it may be cut in transit.
[[nodiscard]] inline bool may_be_cut(const flows::Packet& packet) {
  return packet.is_v4() && !packet.dont_fragment;
}

/// Sends a packet that does not fit in fragments; returns what the wire will carry of them. One
/// that may not be cut in transit must be of our own making; it gets `id` then.
flows::WireCount send_in_fragments(Tunnel& tunnel, const RawPacket& raw,
                                   const flows::Packet& packet, std::uint32_t id);

}  // namespace gateway
