#include "gateway/opening/openings.h"

#include <utility>

namespace gateway {

bool Openings::may_open() const {
  return arrivals_.empty() && time_.has_time(base::Clock::now());
}

TimeShare* Openings::share_with_time(bool is_idle, base::Duration taken, base::Instant now) {
  if (time_.has_time(now)) {
    return &time_;
  }
  return is_idle && taken < kSlice && idle_time_.has_time(now) ? &idle_time_ : nullptr;
}

void Openings::on_round(bool is_idle) {
  const base::Instant began = base::Clock::now();
  base::Instant now = began;
  while (!arrivals_.empty()) {
    TimeShare* const share = share_with_time(is_idle, now - began, now);
    if (share == nullptr) {
      return;
    }
    owner_.open_waiting(arrivals_.take());
    const base::Instant before = std::exchange(now, base::Clock::now());
    share->spend(before, now);
  }
}

}  // namespace gateway
