// TokenBucket: how often something may happen: at a rate, with bursts.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace flows {

class TokenBucket {
 public:
  /// Full at first. Both at least 1, and `per_second` at most 10^9.
  TokenBucket(std::uint32_t per_second, std::uint32_t burst)
      : interval_(std::chrono::nanoseconds(std::chrono::seconds(1)) / per_second),
        burst_(interval_ * burst) {}

  /// One token each `interval`, which is not 0.
  static TokenBucket every(base::Duration interval, std::uint32_t burst) {
    TokenBucket bucket(1, 1);
    bucket.interval_ = interval;
    bucket.burst_ = interval * burst;
    return bucket;
  }

  /// Whether take() would.
  [[nodiscard]] bool has(base::Instant now) const {
    return std::max(empty_at_, now - burst_) + interval_ <= now;
  }

  /// Takes a token, if there is one. `now` never goes back.
  [[nodiscard]] bool take(base::Instant now) {
    // Tokens are kept as the time at which the bucket was, or would have been, empty.
    empty_at_ = std::max(empty_at_, now - burst_);
    if (empty_at_ + interval_ > now) {
      return false;
    }
    empty_at_ += interval_;
    return true;
  }

 private:
  base::Duration interval_;
  base::Duration burst_;
  base::Instant empty_at_{};
};

}  // namespace flows
