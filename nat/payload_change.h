// After bytes of a payload have changed: the transport checksum follows.
#pragma once

#include <cstddef>
#include <span>

#include "flows/packet.h"
#include "flows/vnet_header.h"

namespace nat {

/// Sums `bytes`, of which `packet` is the parse, again: TCP, UDP, ICMP and ICMPv6. A partial
/// checksum (`vnet`) covers no payload and stays, and so does a UDP checksum of 0 over IPv4, which
/// means "none". Whole packets only. Other protocols have none that we know of.
void renew_checksum(std::span<std::byte> bytes, const flows::Packet& packet,
                    const flows::VnetHeader& vnet);

}  // namespace nat
