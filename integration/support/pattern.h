// Pattern: bytes that can be checked without being kept. Every byte follows from its position, so a
// receiver sees at once what is missing, doubled or moved.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace integration {

class Pattern {
 public:
  // Prime, so that no buffer size of the path under test divides it.
  static constexpr std::size_t kPeriodBytes = 65'521;

  explicit Pattern(std::uint32_t seed = 1) : bytes_(2 * kPeriodBytes) {
    std::mt19937 random(seed);
    std::generate_n(bytes_.begin(), kPeriodBytes, [&] { return static_cast<std::byte>(random()); });
    std::copy_n(bytes_.begin(), kPeriodBytes,
                bytes_.begin() + static_cast<std::ptrdiff_t>(kPeriodBytes));
  }

  /// Some of the bytes from `position` on: as many as lie together, at least one period.
  [[nodiscard]] std::span<const std::byte> from(std::uint64_t position) const {
    return std::span(bytes_).subspan(static_cast<std::size_t>(position % kPeriodBytes));
  }

 private:
  std::vector<std::byte> bytes_;  // the period twice, so that any piece of one is contiguous
};

/// Takes a stream and compares it with a Pattern.
class PatternChecker {
 public:
  explicit PatternChecker(const Pattern& pattern) : pattern_(pattern) {}

  void take(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto expected = pattern_.from(position_);
      const std::size_t size = std::min(bytes.size(), expected.size());
      right_ =
          right_ && std::equal(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size),
                               expected.begin());
      position_ += size;
      bytes = bytes.subspan(size);
    }
  }

  [[nodiscard]] std::uint64_t bytes() const { return position_; }
  [[nodiscard]] bool is_right() const { return right_; }

 private:
  const Pattern& pattern_;
  std::uint64_t position_ = 0;
  bool right_ = true;
};

}  // namespace integration
