// The DS field of a packet that passes: what it asks of the network.
#pragma once

#include <cstddef>
#include <span>

#include "flows/dscp.h"

namespace nat {

/// Gives the packet `bytes` another code point, which is one (RFC 2474 3), the IPv4 header checksum
/// with it (RFC 1624). ECN's two bits stay (RFC 3168 5). Whole IP headers only; fragments, too.
void set_dscp(std::span<std::byte> bytes, flows::Dscp dscp);

}  // namespace nat
