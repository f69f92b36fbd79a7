// The loop's waiting: what is ready is handled whether it polls or sleeps, and it sleeps when there
// is nothing.

#include "gateway/loop/event_loop.h"

#include <sys/eventfd.h>
#include <sys/resource.h>

#include <chrono>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "base/time.h"

namespace gateway {
namespace {

using namespace std::chrono_literals;

class EventLoopWaiting : public testing::TestWithParam<base::Duration> {
 protected:
  EventLoopWaiting() { loop_.set_busy_poll(GetParam()); }
  ~EventLoopWaiting() override {
    loop_.stop();
    thread_.join();
  }
  void start() {
    thread_ = std::thread([this] { loop_.run(); });
  }

  EventLoop loop_ = std::move(EventLoop::create()).value();
  std::thread thread_;
};
INSTANTIATE_TEST_SUITE_P(Polls, EventLoopWaiting, testing::Values(0s, 10ms));

struct Counter final : EventLoop::Handler {
  void on_ready(std::uint32_t /*events*/) override {
    eventfd_t value = 0;
    ::eventfd_read(fd.get(), &value);
    ++events;
    if (--left == 0) {
      done.set_value();
    } else {
      ::eventfd_write(fd.get(), 1);  // ready again when the loop comes back
    }
  }
  base::Fd fd = base::Fd::adopt(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  int left = 100;
  int events = 0;
  std::promise<void> done;
};

TEST_P(EventLoopWaiting, HandlesEachEventOnce) {
  Counter counter;
  ASSERT_TRUE(loop_.watch(counter.fd, EPOLLIN, counter));
  start();
  ::eventfd_write(counter.fd.get(), 1);
  ASSERT_EQ(counter.done.get_future().wait_for(30s), std::future_status::ready);
  std::promise<void> idle;
  loop_.post([&] {
    loop_.unwatch(counter.fd, counter);
    idle.set_value();
  });
  idle.get_future().wait();
  EXPECT_EQ(counter.events, 100);
}

std::chrono::microseconds cpu_time_of_this_thread() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  const auto of = [](const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

// Ticks are no work: a loop that polled after each of them would never sleep.
TEST_P(EventLoopWaiting, SleepsWhenThereIsNothingToDo) {
  int ticks = 0;
  std::chrono::microseconds before{};
  std::promise<std::chrono::microseconds> spent;
  loop_.set_tick(5ms, [&](base::Instant) {
    ++ticks;
    if (ticks == 10) {
      before = cpu_time_of_this_thread();
    } else if (ticks == 110) {
      spent.set_value(cpu_time_of_this_thread() - before);
    }
  });
  start();
  EXPECT_LT(spent.get_future().get(), 250ms) << "of the 500 ms that 100 ticks take at least";
}

}  // namespace
}  // namespace gateway
