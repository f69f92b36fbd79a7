// An ICMP echo request turned into its reply.
#pragma once

#include <cstddef>
#include <span>

#include "flows/packet.h"

namespace nat {

/// Turns `bytes`, of which `packet` is the parse, in place into the reply of the host that it is
/// for (RFC 792, RFC 4443 4.2): addresses swapped, a fresh TTL, checksums updated.
void turn_echo_request(std::span<std::byte> bytes, const flows::Packet& packet);

}  // namespace nat
