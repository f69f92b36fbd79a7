// Header rewrite: a packet gets new addresses and ports, its checksums follow (RFC 1624).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/endpoint.h"
#include "flows/packet.h"
#include "flows/vnet_header.h"

namespace nat {

struct NewEnds {
  base::Endpoint source;
  base::Endpoint destination;  // both of the packet's own family
};

/// Rewrites `bytes`, of which `packet` is the parse, in place; `packet` is stale afterwards. Whole
/// packets only: a fragment has no ports here and aborts. Of protocols other than TCP, UDP, ICMP
/// and ICMPv6 only the addresses are rewritten.
///
/// IPv4 header checksum and transport checksum are updated incrementally: a wrong one stays wrong.
/// A partial checksum (`vnet`) stays partial: only its pseudo-header sum changes. A UDP checksum of
/// 0 over IPv4 means "none" and stays 0; a computed 0 becomes 0xffff (RFC 768). ICMP echo: the
/// ports are the identifier; only the source port is used.
void rewrite(std::span<std::byte> bytes, const flows::Packet& packet, const flows::VnetHeader& vnet,
             const NewEnds& ends);

/// Lowers the MSS option of a SYN to `mss_bytes` where it is above (RFC 879, RFC 4459 3.2),
/// checksum included. Whole packets only; a SYN without the option is left alone.
void clamp_mss(std::span<std::byte> bytes, const flows::Packet& packet,
               const flows::VnetHeader& vnet, std::uint16_t mss_bytes);

}  // namespace nat
