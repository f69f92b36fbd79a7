// ByteBucket: how many bytes may pass: at a rate, with a burst, and with debts.
//
// Whoever is let through may take more than is there, because a packet or a read cannot be cut to
// what is; nobody else is let through until the rate has made up for it. So over time the rate is
// kept to the byte, whatever the pieces are.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace flows {

class ByteBucket {
 public:
  /// Full at first. `bytes_per_second` is not 0.
  ByteBucket(std::uint64_t bytes_per_second, std::uint64_t burst_bytes, base::Instant now)
      : rate_(static_cast<double>(bytes_per_second) / kNanosecondsPerSecond),
        burst_(static_cast<double>(burst_bytes)),
        credit_(burst_),
        as_of_(now) {}

  /// Whether anything may pass. `now` never goes back.
  [[nodiscard]] bool has_credit(base::Instant now) const { return credit_at(now) > 0; }

  /// They have passed.
  void take(std::uint64_t bytes, base::Instant now) {
    credit_ = credit_at(now) - static_cast<double>(bytes);
    as_of_ = std::max(as_of_, now);
  }

  /// When has_credit() holds, if nobody takes anything meanwhile.
  [[nodiscard]] base::Instant next_credit() const {
    // One nanosecond more than the debt takes: at 0 there is no credit yet.
    return credit_ > 0 ? as_of_
                       : as_of_ + base::Duration(static_cast<std::int64_t>(-credit_ / rate_) + 1);
  }

 private:
  static constexpr double kNanosecondsPerSecond = 1e9;

  [[nodiscard]] double credit_at(base::Instant now) const {
    const auto passed = static_cast<double>(std::max(now - as_of_, base::Duration::zero()).count());
    return std::min(burst_, credit_ + passed * rate_);
  }

  double rate_;  // bytes per nanosecond
  double burst_;
  double credit_;  // below zero: owed
  base::Instant as_of_;
};

}  // namespace flows
