// The MSS that fits a tunnel.
#pragma once

#include <cstdint>

namespace gateway {

/// MTU less the fixed IP and TCP headers (RFC 879, RFC 6691).
[[nodiscard]] inline std::uint16_t mss_for_mtu(std::uint32_t mtu_bytes, bool is_v4) {
  const std::uint32_t headers = is_v4 ? 40 : 60;
  return static_cast<std::uint16_t>(mtu_bytes - headers);
}

}  // namespace gateway
