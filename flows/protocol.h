// Protocol: the transport protocol of a packet or flow.
#pragma once

#include <cstdint>
#include <string>

namespace flows {

/// IP protocol numbers (IANA). Any other value is possible, too.
enum class Protocol : std::uint8_t { kIcmp = 1, kTcp = 6, kUdp = 17, kIcmpv6 = 58 };

/// "tcp", "udp", "icmp", "icmpv6"; any other protocol is its number.
std::string protocol_name(Protocol protocol);

}  // namespace flows
