// LogLimits: which lines of a log are too many.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "flows/token_bucket.h"

namespace gateway {

/// For one thread at a time.
class LogLimits {
 public:
  // Chosen: what a person can follow, and a start or a reload with all its tunnels.
  static constexpr std::uint32_t kPerSecond = 20;
  static constexpr std::uint32_t kBurst = 100;
  static constexpr base::Duration kTellEvery = std::chrono::seconds(1);

  /// Whether a line of this format may be written. `format` is a literal: its place in memory is
  /// what stands for the kind.
  bool admits(std::string_view format, base::Instant now);

  struct LeftOut {
    std::string like;  // the words that such lines begin with
    std::uint64_t lines = 0;
  };
  /// What has been left out and not been taken here yet, of each kind at most once in kTellEvery.
  std::vector<LeftOut> take(base::Instant now);
  /// Whether take() has anything to give, now or later.
  [[nodiscard]] bool has_any() const { return any_; }

 private:
  struct Kind {
    std::string_view format;
    flows::TokenBucket bucket{kPerSecond, kBurst};
    std::uint64_t left_out = 0;
    base::Instant told{};
  };

  std::unordered_map<const char*, Kind> kinds_;
  bool any_ = false;
};

}  // namespace gateway
