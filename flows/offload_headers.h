// Header fields that cutting and merging write: lengths and checksums of the new packet.
#pragma once

#include <cstddef>
#include <span>

#include "flows/packet.h"

namespace flows {

inline constexpr std::size_t kIpv4Id = 4;
inline constexpr std::size_t kTcpSequence = 4;
inline constexpr std::size_t kTcpDataOffset = 12;
inline constexpr std::size_t kTcpFlags = 13;
inline constexpr std::size_t kTcpChecksum = 16;
inline constexpr std::size_t kUdpLength = 4;
inline constexpr std::size_t kUdpChecksum = 6;

/// Whether the packet that begins with `headers` is IPv4; it is IPv6 otherwise.
[[nodiscard]] inline bool is_v4(std::span<const std::byte> headers) {
  return (headers[0] >> 4U) == std::byte{4};
}

/// Source and destination as they lie in the packet.
[[nodiscard]] inline std::span<const std::byte> addresses_of(std::span<const std::byte> headers) {
  return is_v4(headers) ? headers.subspan(12, 8) : headers.subspan(8, 32);
}

/// Writes the length field of the IP header, and the IPv4 header checksum, which covers it.
void write_ip_length(std::span<std::byte> headers, std::size_t total_bytes);

}  // namespace flows
