// What the first fragment of a packet says of the whole packet. Defined in packet.cc, whose readers
// it shares.
#pragma once

#include <cstddef>
#include <span>

#include "flows/packet.h"

namespace flows {

/// `bytes` are a first fragment (offset 0), whose parse is `packet`. Returns that parse with what
/// is behind its IP headers: protocol, ports, TCP flags, ICMP type. `is_fragment` stays set, and
/// checksums cannot have been verified.
///
/// Fails with kTinyFragment where the chain of IPv6 extension headers or the transport header is
/// not all there: a filter must not be shown a packet without its ports (RFC 1858, RFC 7112).
base::Result<Packet, Drop> parse_first_fragment(std::span<const std::byte> bytes,
                                                const Packet& packet);

}  // namespace flows
