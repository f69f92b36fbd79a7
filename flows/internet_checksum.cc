#include "flows/internet_checksum.h"

#include <cstring>

#include "base/byte_order.h"
#include "base/check.h"

namespace flows {

namespace {

std::uint64_t load_native(const std::byte* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

constexpr std::uint64_t low_half(std::uint64_t word) {
  return word & 0xffffffffU;
}
constexpr std::uint64_t high_half(std::uint64_t word) {
  return word >> 32U;
}

}  // namespace

std::uint32_t sum_of(std::span<const std::byte> bytes) {
  // In the host's byte order: swapping every word of a sum swaps the sum (RFC 1071 2 B), so one
  // swap at the end is enough. The 32-bit halves of each load go into 64-bit sums, which leaves
  // room for the carries of 32 GiB, and lets the compiler use vectors.
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  for (; left >= sizeof(std::uint64_t); left -= sizeof(std::uint64_t)) {
    const std::uint64_t word = load_native(at);
    low += low_half(word);
    high += high_half(word);
    at += sizeof(std::uint64_t);
  }
  std::uint64_t last = 0;  // zeros behind an odd byte are what RFC 1071 asks for
  if (left > 0) {
    std::memcpy(&last, at, left);
  }
  std::uint64_t sum = low + low_half(last) + high + high_half(last);
  sum = high_half(sum) + low_half(sum);
  sum = high_half(sum) + low_half(sum);
  return base::swap_if_little(fold(static_cast<std::uint32_t>(sum)));
}

std::uint32_t pseudo_header_sum(const base::IpAddress& source, const base::IpAddress& destination,
                                Protocol protocol, std::uint32_t transport_bytes) {
  CHECK(source.is_v4() == destination.is_v4());
  return sum_of(source.wire_bytes()) + sum_of(destination.wire_bytes()) +
         static_cast<std::uint32_t>(protocol) + fold(transport_bytes);
}

std::uint32_t pseudo_header_sum(std::span<const std::byte> addresses, Protocol protocol,
                                std::uint32_t transport_bytes) {
  CHECK(addresses.size() == 8 || addresses.size() == 32);
  return sum_of(addresses) + static_cast<std::uint32_t>(protocol) + fold(transport_bytes);
}

void ChecksumChange::replace(std::span<const std::byte> before, std::span<const std::byte> after) {
  CHECK(before.size() == after.size() && before.size() % 2 == 0);
  sum_ += static_cast<std::uint16_t>(~sum_of(before));
  sum_ += sum_of(after);
}

}  // namespace flows
