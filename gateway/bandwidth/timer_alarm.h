// TimerAlarm: rings the pacer of an event loop, by a timer of the kernel (timerfd).
#pragma once

#include <utility>

#include "base/error.h"
#include "base/fd.h"
#include "gateway/bandwidth/bandwidth.h"
#include "gateway/loop/event_loop.h"

namespace gateway {

/// Belongs to the loop's thread.
class TimerAlarm final : public Pacer::Alarm, private EventLoop::Handler {
 public:
  static base::SysResult<base::Fd> make_timer();

  /// Of make_timer(). `loop` outlives it.
  TimerAlarm(EventLoop& loop, base::Fd timer) : loop_(loop), timer_(std::move(timer)) {}
  ~TimerAlarm() { loop_.unwatch(timer_, *this); }

  /// Before the first ring_at().
  base::SysResult<void> start(Pacer& pacer);
  void ring_at(base::Instant when) override;

 private:
  void on_ready(std::uint32_t events) override;

  EventLoop& loop_;
  base::Fd timer_;
  Pacer* pacer_ = nullptr;
};

}  // namespace gateway
