#include "gateway/bandwidth/timer_alarm.h"

#include <sys/timerfd.h>

#include <algorithm>

#include "base/check.h"

namespace gateway {

using base::Fd;
using base::SysResult;
using base::Unexpected;

SysResult<Fd> TimerAlarm::make_timer() {
  Fd timer = Fd::adopt(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!timer.is_open()) {
    return Unexpected{base::last_error("timerfd_create")};
  }
  return timer;
}

SysResult<void> TimerAlarm::start(Pacer& pacer) {
  pacer_ = &pacer;
  // Edge-triggered: each time it goes off is an edge, and nobody need read how often it has.
  return loop_.watch(timer_, EPOLLIN | EPOLLET, *this);
}

void TimerAlarm::ring_at(base::Instant when) {
  // A time of 0 would disarm it.
  const std::int64_t at = std::max<std::int64_t>(base::to_nanoseconds(when), 1);
  constexpr std::int64_t kSecond = 1'000'000'000;
  const itimerspec once{.it_interval = {},
                        .it_value = {.tv_sec = at / kSecond, .tv_nsec = at % kSecond}};
  CHECK(::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &once, nullptr) == 0);
}

void TimerAlarm::on_ready(std::uint32_t /*events*/) {
  pacer_->serve(loop_.now());
}

}  // namespace gateway
