// SipHash: a short keyed hash for what attackers choose (Aumasson and Bernstein, 2012).
//
// Without the key nobody can aim many inputs at one bucket. SipHash-2-4 is the paper's own choice;
// SipHash-1-3 is its faster sibling for hash tables, which show no hash to the attacker.
// tests/base/siphash_test.cc holds both against the published vectors.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace base {

struct SipKey {
  std::uint64_t low = 0;   // the key's first eight bytes, little-endian
  std::uint64_t high = 0;  // and its last
};

/// Takes the message as little-endian words; sip_hash() below takes it as bytes.
template <int kRounds, int kFinalRounds>
class SipHash {
 public:
  explicit SipHash(SipKey key)
      : v0_(key.low ^ 0x736f6d6570736575),  // the constants are the paper's
        v1_(key.high ^ 0x646f72616e646f6d),
        v2_(key.low ^ 0x6c7967656e657261),
        v3_(key.high ^ 0x7465646279746573) {}

  /// The next eight bytes of the message.
  void add(std::uint64_t word) {
    v3_ ^= word;
    rounds<kRounds>();
    v0_ ^= word;
  }

  /// `tail` holds the message's last 0..7 bytes; `message_bytes` is its whole length.
  [[nodiscard]] std::uint64_t finish(std::uint64_t tail, std::size_t message_bytes) {
    add(tail | (static_cast<std::uint64_t>(message_bytes) << 56U));
    v2_ ^= 0xff;
    rounds<kFinalRounds>();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  template <int kCount>
  void rounds() {
    for (int i = 0; i < kCount; ++i) {
      v0_ += v1_;
      v1_ = std::rotl(v1_, 13) ^ v0_;
      v0_ = std::rotl(v0_, 32);
      v2_ += v3_;
      v3_ = std::rotl(v3_, 16) ^ v2_;
      v0_ += v3_;
      v3_ = std::rotl(v3_, 21) ^ v0_;
      v2_ += v1_;
      v1_ = std::rotl(v1_, 17) ^ v2_;
      v2_ = std::rotl(v2_, 32);
    }
  }

  std::uint64_t v0_;
  std::uint64_t v1_;
  std::uint64_t v2_;
  std::uint64_t v3_;
};

template <int kRounds, int kFinalRounds>
[[nodiscard]] std::uint64_t sip_hash(SipKey key, std::span<const std::byte> message) {
  static_assert(std::endian::native == std::endian::little);
  SipHash<kRounds, kFinalRounds> hash(key);
  std::uint64_t word = 0;
  auto rest = message;
  for (; rest.size() >= sizeof(word); rest = rest.subspan(sizeof(word))) {
    std::memcpy(&word, rest.data(), sizeof(word));
    hash.add(word);
  }
  word = 0;
  if (!rest.empty()) {
    std::memcpy(&word, rest.data(), rest.size());
  }
  return hash.finish(word, message.size());
}

}  // namespace base
