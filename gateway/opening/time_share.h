// TimeShare: the part of a thread's time that something may take for sure, and is held to while
// others want the rest.
#pragma once

#include <algorithm>

#include "base/time.h"

namespace gateway {

/// Belongs to one thread. Time is wall time: what the thread could not run counts for whoever was
/// at work.
class TimeShare {
 public:
  /// A `part`th of the time; what is not used is saved up, for at most `burst` at once, and no more
  /// than that is owed: the thread may have been stopped while it was at work.
  TimeShare(int part, base::Duration burst) : part_(part), saved_(burst * part) {}

  /// Whether it has not taken more than its part. `now` never goes back.
  [[nodiscard]] bool has_time(base::Instant now) const { return paid_until_ <= now; }
  /// When it may take time again, if it has taken more.
  [[nodiscard]] base::Instant has_time_from() const { return paid_until_; }

  /// It has taken the time from `from` to `to`.
  void spend(base::Instant from, base::Instant to) {
    const base::Instant paid = std::max(paid_until_, to - saved_) + (to - from) * part_;
    paid_until_ = std::min(paid, to + saved_);
  }

  /// Spends for as long as it lives.
  class Spending {
   public:
    explicit Spending(TimeShare& share) : share_(share) {}
    ~Spending() { share_.spend(from_, base::Clock::now()); }
    Spending(const Spending&) = delete;
    Spending& operator=(const Spending&) = delete;

   private:
    TimeShare& share_;
    base::Instant from_ = base::Clock::now();
  };

 private:
  int part_;
  base::Duration saved_;
  base::Instant paid_until_{};
};

}  // namespace gateway
