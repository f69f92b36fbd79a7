// The IP headers of packets that the gateway itself writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/ip_address.h"
#include "flows/protocol.h"

namespace flows {

inline constexpr std::size_t kIpv4HeaderBytes = 20;
inline constexpr std::size_t kIpv6HeaderBytes = 40;
inline constexpr std::uint8_t kDefaultTtl = 64;  // the recommended default (IANA, "IP TTL")

[[nodiscard]] constexpr std::size_t ip_header_bytes(bool v4) {
  return v4 ? kIpv4HeaderBytes : kIpv6HeaderBytes;
}

struct IpEnds {
  const base::IpAddress& from;
  const base::IpAddress& to;  // of the same family
};

/// Writes the header of `packet`, which is exactly the packet, to its front: no options, and with
/// IPv4 "don't fragment" and identification 0, which then nobody will ever ask for (RFC 6864 4.1).
void write_ip_header(std::span<std::byte> packet, IpEnds ends, Protocol protocol,
                     std::uint8_t ttl = kDefaultTtl);

}  // namespace flows
