// FlowRate: how many flows somebody has begun in the last second, and in the last minute.
//
// Two counters for each: of this span and of the one before, which counts less the longer it is
// over. Exact where flows come evenly, and never more than one span late.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace gateway {

class FlowRate {
 public:
  void count(base::Instant now) {
    second_.count(now);
    minute_.count(now);
  }
  /// In the last `span`, which is a second or a minute.
  [[nodiscard]] std::uint64_t in_last(base::Duration span, base::Instant now) const {
    return span <= std::chrono::seconds(1) ? second_.in_last(now) : minute_.in_last(now);
  }

 private:
  class Window {
   public:
    explicit Window(base::Duration span) : span_(span) {}
    void count(base::Instant now) {
      const std::int64_t number = now.time_since_epoch() / span_;
      if (number != number_) {
        before_ = number == number_ + 1 ? this_ : 0;
        this_ = 0;
        number_ = number;
      }
      ++this_;
    }
    [[nodiscard]] std::uint64_t in_last(base::Instant now) const {
      const std::int64_t ago = now.time_since_epoch() / span_ - number_;
      const auto passed = static_cast<double>((now.time_since_epoch() % span_).count()) /
                          static_cast<double>(span_.count());
      if (ago == 0) {
        return this_ + static_cast<std::uint64_t>(static_cast<double>(before_) * (1 - passed));
      }
      return ago == 1 ? static_cast<std::uint64_t>(static_cast<double>(this_) * (1 - passed)) : 0;
    }

   private:
    base::Duration span_;
    std::int64_t number_ = -2;  // of the span
    std::uint64_t this_ = 0;
    std::uint64_t before_ = 0;
  };

  Window second_{std::chrono::seconds(1)};
  Window minute_{std::chrono::minutes(1)};
};

}  // namespace gateway
