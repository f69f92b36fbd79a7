// Dscp: the code point that says how the network is to treat a packet (RFC 2474 3), and its names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace flows {

/// 0 to 63, the upper six bits of the DS field; the lower two are ECN's (RFC 3168 5).
enum class Dscp : std::uint8_t {};
/// No code point: packets keep what they have.
inline constexpr Dscp kOwnDscp{0xff};
inline constexpr std::uint8_t kMostDscp = 63;

[[nodiscard]] constexpr std::uint8_t number(Dscp dscp) {
  return static_cast<std::uint8_t>(dscp);
}
/// The DS field with it, and with ECN's bits 0.
[[nodiscard]] constexpr std::uint8_t ds_field(Dscp dscp) {
  return static_cast<std::uint8_t>(number(dscp) << 2U);
}

/// "ef", "af41", "cs1", "le"; the number of one that has no name.
std::string dscp_text(Dscp dscp);
/// By name, lower case, or by number.
std::optional<Dscp> parse_dscp(std::string_view text);
/// All that have one, from the lowest.
std::vector<std::string_view> dscp_names();

}  // namespace flows
