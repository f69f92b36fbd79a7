// IpAddress: an IPv4 or IPv6 address in 16 bytes, IPv4 in its v4-mapped form (RFC 4291 2.5.5.2).
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace base {

/// Trivially copyable, so that it can live in flat records. One representation for both families
/// means one lookup path; the price is that a v6 *packet* from or to ::ffff:0:0/96 must be refused
/// where it is parsed (flows/packet.h does), or it would pass for IPv4.
class IpAddress {
 public:
  constexpr IpAddress() = default;  // ::, the unspecified address

  static IpAddress v4(std::uint32_t host_order);
  /// `bytes` are the 4 bytes of an IPv4 header field.
  static IpAddress from_v4_bytes(std::span<const std::byte, 4> bytes);
  /// `bytes` are the 16 bytes of an IPv6 header field.
  static IpAddress from_v6_bytes(std::span<const std::byte, 16> bytes);
  /// Dotted quad or RFC 4291 text; no brackets, no zone. Nothing else is accepted.
  static std::optional<IpAddress> parse(std::string_view text);

  [[nodiscard]] bool is_v4() const {
    static constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return std::memcmp(bytes_.data(), kMapped.data(), kMapped.size()) == 0;
  }
  [[nodiscard]] bool is_v6() const { return !is_v4(); }
  /// Host order; the address must be v4.
  [[nodiscard]] std::uint32_t v4_number() const;
  [[nodiscard]] std::span<const std::byte, 16> bytes() const {
    return std::as_bytes(std::span<const std::uint8_t, 16>(bytes_));
  }
  /// The bytes as the packet of its family carries them: 4 or 16.
  [[nodiscard]] std::span<const std::byte> wire_bytes() const {
    return is_v4() ? bytes().subspan<12>() : std::span<const std::byte>(bytes());
  }
  /// The address `offset` further on, in the last 32 bits.
  [[nodiscard]] IpAddress plus(std::uint32_t offset) const;
  /// "192.0.2.1", "2001:db8::1" (RFC 5952).
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const IpAddress&, const IpAddress&) = default;
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

}  // namespace base
