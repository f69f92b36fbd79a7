#include "gateway/opening/openings.h"

#include <utility>

#include "gateway/onramp/tunnel.h"

namespace gateway {

bool Openings::may_open(const Tunnel& tunnel) const {
  return tunnel.arrivals.size() == 0 && time_.has_time(base::Clock::now());
}

void Openings::on_round(bool is_idle) {
  const base::Instant began = base::Clock::now();
  base::Instant now = began;
  const auto has_time = [&] { return is_idle ? now - began < kSlice : time_.has_time(now); };
  if (!has_time()) {
    return;
  }
  do {
    owner_.open_waiting(arrivals_.take());
    const base::Instant before = std::exchange(now, base::Clock::now());
    time_.spend(before, now);
  } while (!arrivals_.empty() && has_time());
  owner_.opened_waiting();
}

}  // namespace gateway
