#include "base/siphash.h"

#include <array>
#include <numeric>

#include <gtest/gtest.h>

namespace base {
namespace {

// Key and messages of all published vectors: the bytes 00 01 02 ...
constexpr SipKey kKey{.low = 0x0706050403020100, .high = 0x0f0e0d0c0b0a0908};

template <int kRounds, int kFinalRounds>
std::uint64_t hash_of_counting_bytes(std::size_t length) {
  std::array<std::uint8_t, 64> message{};
  std::iota(message.begin(), message.end(), std::uint8_t{0});
  return sip_hash<kRounds, kFinalRounds>(kKey, std::as_bytes(std::span(message).first(length)));
}

// Aumasson and Bernstein, "SipHash: a fast short-input PRF", appendix A; and vectors_sip64 of their
// reference implementation.
TEST(SipHash, TwoFourMatchesThePaper) {
  EXPECT_EQ((hash_of_counting_bytes<2, 4>(15)), 0xa129ca6149be45e5U);
  EXPECT_EQ((hash_of_counting_bytes<2, 4>(0)), 0x726fdb47dd0e0e31U);
}

// The vectors of Rust's standard library, whose hash maps use SipHash-1-3
// (library/coretests/tests/hash/sip.rs, test_siphash_1_3).
TEST(SipHash, OneThreeMatchesThePublishedVectors) {
  struct Vector {
    std::size_t length;
    std::uint64_t hash;
  };
  constexpr std::array kVectors{
      Vector{0, 0xabac0158050fc4dc},  Vector{1, 0xc9f49bf37d57ca93},
      Vector{2, 0x82cb9b024dc7d44d},  Vector{3, 0x8bf80ab8e7ddf7fb},
      Vector{4, 0xcf75576088d38328},  Vector{5, 0xdef9d52f49533b67},
      Vector{6, 0xc50d2b50c59f22a7},  Vector{7, 0xd3927d989bb11140},
      Vector{8, 0x369095118d299a8e},  Vector{9, 0x25a48eb36c063de4},
      Vector{15, 0xd320d86d2a519956}, Vector{16, 0xcc4fdd1a7d908b66},
      Vector{40, 0xc1d2363299e41531}, Vector{41, 0x667cc1923f1ad944},
      Vector{42, 0x65704ffec8138825}, Vector{63, 0x9d199062b7bbb3a8},
  };
  for (const Vector& vector : kVectors) {
    EXPECT_EQ((hash_of_counting_bytes<1, 3>(vector.length)), vector.hash) << vector.length;
  }
}

}  // namespace
}  // namespace base
