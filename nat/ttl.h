// The TTL of a packet that is forwarded.
#pragma once

#include <cstddef>
#include <span>

#include "flows/packet.h"

namespace nat {

/// Lowers the TTL or hop limit of `bytes`, of which `packet` is the parse, by one (RFC 1812 5.3.1,
/// RFC 8200 3), the IPv4 header checksum with it. It must be above 1.
void decrement_ttl(std::span<std::byte> bytes, const flows::Packet& packet);

}  // namespace nat
