#include "flows/internet_checksum.h"

#include <cstring>

#include "base/byte_order.h"
#include "base/check.h"

// With sanitizers there is one only: the choice is made before TSan has begun, and it would look.
#if defined(__x86_64__) && !defined(LIFTGATE_SANITIZED)
#define LIFTGATE_VECTOR_CLONES __attribute__((target_clones("default", "avx2")))
#else
#define LIFTGATE_VECTOR_CLONES
#endif

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

// The two halves of so many 64-bit words, each summed: which leaves room for the carries of 32 GiB,
// and lets the compiler use vectors.
struct Halves {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};
[[gnu::always_inline]] inline Halves sum_here(const std::byte* at, std::size_t words) {
  Halves sum;
  for (std::size_t i = 0; i < words; ++i) {
    const std::uint64_t word = load_native(at + i * sizeof(word));
    sum.low += low_half(word);
    sum.high += high_half(word);
  }
  return sum;
}

// Which of the two is chosen when the program is loaded: with AVX2 1,400 bytes take half the time.
LIFTGATE_VECTOR_CLONES
Halves sum_long(const std::byte* at, std::size_t words) {
  return sum_here(at, words);
}

constexpr std::size_t kLongWords = 16;  // chosen: below, a call costs more than vectors win

}  // namespace

std::uint32_t sum_of(std::span<const std::byte> bytes) {
  // In the host's byte order: swapping every word of a sum swaps the sum (RFC 1071 2 B), so one
  // swap at the end is enough.
  const std::size_t words = bytes.size() / sizeof(std::uint64_t);
  const Halves halves =
      words < kLongWords ? sum_here(bytes.data(), words) : sum_long(bytes.data(), words);
  const auto rest = bytes.subspan(words * sizeof(std::uint64_t));
  std::uint64_t last = 0;  // zeros behind an odd byte are what RFC 1071 asks for
  if (rest.size() == sizeof(std::uint32_t)) {  // an IPv4 header without options: no call
    std::memcpy(&last, rest.data(), sizeof(std::uint32_t));
  } else if (!rest.empty()) {
    std::memcpy(&last, rest.data(), rest.size());
  }
  std::uint64_t sum = halves.low + low_half(last) + halves.high + high_half(last);
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
