// EventLoop: one thread's readiness loop (epoll), its posts and its tick.
//
// Theory of operation
//
// The packet path and the relay run here, so a wake-up costs one epoll_wait and nothing else: no
// handler is allocated, no timer queue is kept. Descriptors are watched with whatever epoll flags
// their owner wants; an edge-triggered owner that stopped before EAGAIN asks for again(), and gets
// its turn after everybody else had theirs. Time is read once per wake-up. Timers are the owner's:
// the loop only ticks (flows/expiry_wheel.h).
//
// Asio, which the design names for this loop, serves the control thread instead: there one
// epoll_ctl per wait and one mutex per descriptor do not matter; here each batch would pay them.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "base/time.h"

namespace gateway {

/// post() and stop() may be called from any thread; everything else belongs to the thread in run().
class EventLoop {
 public:
  class Handler {
   public:
    Handler() = default;
    Handler(const Handler&) = delete;  // epoll knows its address
    Handler& operator=(const Handler&) = delete;

    /// `events` is a set of EPOLL* bits; 0 when it is the turn asked for with again().
    /// May unwatch and destroy any handler, itself included.
    virtual void on_ready(std::uint32_t events) = 0;

    bool wants_turn = false;  // the loop's own

   protected:
    ~Handler() = default;
  };

  /// Work that can wait until others had their turn.
  class Background {
   public:
    [[nodiscard]] virtual bool is_waiting() const = 0;
    /// While it waits: until when the loop may sleep, if nobody else has anything to do.
    [[nodiscard]] virtual base::Instant sleeps_until() const = 0;
    /// At the end of each round in which it waits. `is_idle`: nobody else had anything to do.
    virtual void on_round(bool is_idle) = 0;

   protected:
    ~Background() = default;
  };

  static base::SysResult<EventLoop> create();
  EventLoop(EventLoop&&) noexcept;
  EventLoop& operator=(EventLoop&&) = delete;
  ~EventLoop();

  /// `handler` must be unwatched before it or `fd` goes away.
  base::SysResult<void> watch(const base::Fd& fd, std::uint32_t events, Handler& handler);
  /// Other events or another handler for a watched descriptor. Reports what is ready by now.
  base::SysResult<void> rewatch(const base::Fd& fd, std::uint32_t events, Handler& handler);
  /// No event reaches `handler` any more, not even one that this wake-up has fetched already.
  void unwatch(const base::Fd& fd, Handler& handler);

  /// Another turn for a handler with work left, after the others. Asking twice is asking once.
  void again(Handler& handler);

  /// One, before run(), and it outlives that.
  void set_background(Background& background) { background_ = &background; }

  /// Runs `task` on the loop's thread, soon.
  void post(std::function<void()> task);

  /// Calls `tick` every `period`, late when the loop is busy, until run() returns.
  void set_tick(base::Duration period, std::function<void(base::Instant)> tick);

  /// After work, looks for more for so long before it sleeps. A thread that sleeps is woken through
  /// the scheduler, and in a virtual machine through the hypervisor, which can cost more than all
  /// the work for a packet. Zero, the default, never does. Before run().
  void set_busy_poll(base::Duration time) { busy_poll_ = time; }

  /// Until stop(). Tasks posted before it returns have run.
  void run();
  void stop();

  /// When this wake-up began.
  [[nodiscard]] base::Instant now() const { return now_; }

 private:
  static constexpr std::size_t kEventsPerWake = 256;
  struct Posts;

  EventLoop(base::Fd epoll, base::Fd wake);
  // Until when nobody who is there already has anything to do.
  [[nodiscard]] base::Instant sleeps_until() const;
  [[nodiscard]] int wait_milliseconds() const;
  // The number of events in ready_, as epoll_wait(2) returns it.
  int wait();
  void run_ready(std::size_t count);
  void run_turns();
  void run_posts();

  base::Fd epoll_;
  base::Fd wake_;  // eventfd: posts are waiting
  std::unique_ptr<Posts> posts_;
  std::array<epoll_event, kEventsPerWake> ready_{};
  std::size_t ready_count_ = 0;
  base::Duration busy_poll_{};
  bool was_busy_ = false;               // the last wake-up brought events
  std::vector<Handler*> turns_;         // who asked for again()
  std::vector<Handler*> taking_turns_;  // of the round that is running
  Background* background_ = nullptr;
  base::Instant now_ = base::Clock::now();
  base::Instant next_tick_ = base::Instant::max();
  base::Duration tick_period_{};
  std::function<void(base::Instant)> tick_;
  bool stopping_ = false;
};

}  // namespace gateway
