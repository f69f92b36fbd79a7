// FlowBudget: how many flows somebody may begin in a span of time.
#pragma once

#include <optional>

#include "base/time.h"
#include "flows/token_bucket.h"
#include "gateway/config/settings.h"

namespace gateway {

inline flows::TokenBucket bucket_of(const Rate& rate) {
  return flows::TokenBucket::every(rate.span / rate.count, rate.count);
}

class FlowBudget {
 public:
  /// Whether one more may begin, where `rate` is what may, which is counted then; nothing: any
  /// number. A rate that differs from the last one begins anew.
  [[nodiscard]] bool take(const std::optional<Rate>& rate, base::Instant now) {
    if (rate != rate_) [[unlikely]] {
      rate_ = rate;
      bucket_ = rate ? std::optional(bucket_of(*rate)) : std::nullopt;
    }
    return !bucket_ || bucket_->take(now);
  }

 private:
  std::optional<Rate> rate_;
  std::optional<flows::TokenBucket> bucket_;
};

}  // namespace gateway
