// The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
//
// Sums here are one's-complement sums of big-endian 16-bit words, in host order and not yet
// complemented. They add up: the sum of a packet is the sum of its pieces, as long as every piece
// but the last has an even length. A checksum is the complement of a folded sum.
// tests/flows/internet_checksum_test.cc compares with a word-by-word loop at every alignment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/ip_address.h"

namespace flows {

enum class Protocol : std::uint8_t;

/// At most 0xffff, so that 65,536 of them can be added before fold(). An odd last byte counts as
/// the high half of a word. Any alignment.
[[nodiscard]] std::uint32_t sum_of(std::span<const std::byte> bytes);

/// The sum in 16 bits, carries added back in. 0 only for 0.
[[nodiscard]] constexpr std::uint16_t fold(std::uint32_t sum) {
  sum = (sum >> 16U) + (sum & 0xffffU);
  sum = (sum >> 16U) + (sum & 0xffffU);
  return static_cast<std::uint16_t>(sum);
}

/// What goes into a header whose other words add up to `sum`.
[[nodiscard]] constexpr std::uint16_t checksum_of(std::uint32_t sum) {
  return static_cast<std::uint16_t>(~fold(sum));
}

/// The pseudo-header of RFC 9293 3.1 and RFC 8200 8.1. Both addresses are of one family;
/// `transport_bytes` is the length of the transport header and what it carries.
[[nodiscard]] std::uint32_t pseudo_header_sum(const base::IpAddress& source,
                                              const base::IpAddress& destination, Protocol protocol,
                                              std::uint32_t transport_bytes);

/// The same for addresses as they lie in a packet: source and destination together, 8 or 32 bytes.
[[nodiscard]] std::uint32_t pseudo_header_sum(std::span<const std::byte> addresses,
                                              Protocol protocol, std::uint32_t transport_bytes);

/// What a number of replaced fields does to a checksum that covers them: the ~m + m' of RFC 1624
/// equation 3, which unlike that of RFC 1141 does not write 0xffff where 0x0000 belongs.
class ChecksumChange {
 public:
  /// A 16-bit field that lies at an even offset of what the checksum covers.
  constexpr void replace(std::uint16_t before, std::uint16_t after) {
    sum_ += static_cast<std::uint16_t>(~before);
    sum_ += after;
  }
  /// One that lies at an odd offset: its halves belong to two words.
  constexpr void replace_at_odd_offset(std::uint16_t before, std::uint16_t after) {
    replace(__builtin_bswap16(before), __builtin_bswap16(after));
  }
  /// An address in 4 or 16 bytes, both of one length.
  void replace(std::span<const std::byte> before, std::span<const std::byte> after);

  /// The checksum after the change. A wrong one stays wrong by as much.
  [[nodiscard]] constexpr std::uint16_t applied_to(std::uint16_t checksum) const {
    return static_cast<std::uint16_t>(~fold(static_cast<std::uint16_t>(~checksum) + sum_));
  }
  /// The same for a partial checksum, whose field holds a folded sum that is not complemented.
  [[nodiscard]] constexpr std::uint16_t applied_to_partial(std::uint16_t sum) const {
    return fold(sum + sum_);
  }

 private:
  std::uint32_t sum_ = 0;  // far from overflow: a packet has few fields
};

}  // namespace flows
