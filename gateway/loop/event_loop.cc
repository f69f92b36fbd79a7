#include "gateway/loop/event_loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/check.h"

namespace gateway {

using base::Fd;
using base::SysResult;
using base::Unexpected;

struct EventLoop::Posts {
  std::mutex mutex;
  std::vector<std::function<void()>> tasks;
};

SysResult<EventLoop> EventLoop::create() {
  Fd epoll = Fd::adopt(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.is_open()) {
    return Unexpected{base::last_error("epoll_create1")};
  }
  Fd wake = Fd::adopt(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.is_open()) {
    return Unexpected{base::last_error("eventfd")};
  }
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};  // null: the wake-up itself
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
    return Unexpected{base::last_error("epoll_ctl: eventfd")};
  }
  return EventLoop(std::move(epoll), std::move(wake));
}

EventLoop::EventLoop(Fd epoll, Fd wake)
    : epoll_(std::move(epoll)), wake_(std::move(wake)), posts_(std::make_unique<Posts>()) {}
EventLoop::EventLoop(EventLoop&&) noexcept = default;
EventLoop::~EventLoop() = default;

SysResult<void> EventLoop::watch(const Fd& fd, std::uint32_t events, Handler& handler) {
  epoll_event event{.events = events, .data = {.ptr = &handler}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) {
    return Unexpected{base::last_error("epoll_ctl: add")};
  }
  return {};
}

SysResult<void> EventLoop::rewatch(const Fd& fd, std::uint32_t events, Handler& handler) {
  epoll_event event{.events = events, .data = {.ptr = &handler}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd.get(), &event) != 0) {
    return Unexpected{base::last_error("epoll_ctl: modify")};
  }
  return {};
}

void EventLoop::unwatch(const Fd& fd, Handler& handler) {
  if (fd.is_open()) {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd.get(), nullptr);
  }
  for (std::size_t i = 0; i < ready_count_; ++i) {
    if (ready_[i].data.ptr == &handler) {
      ready_[i].events = 0;
    }
  }
  if (handler.wants_turn) {
    handler.wants_turn = false;
    std::ranges::replace(turns_, &handler, nullptr);
    std::ranges::replace(taking_turns_, &handler, nullptr);
  }
}

void EventLoop::again(Handler& handler) {
  if (!handler.wants_turn) {
    handler.wants_turn = true;
    turns_.push_back(&handler);
  }
}

void EventLoop::post(std::function<void()> task) {
  {
    const std::scoped_lock lock(posts_->mutex);
    posts_->tasks.push_back(std::move(task));
  }
  const std::uint64_t one = 1;
  // The counter cannot overflow, and when it is up already the loop will wake anyway.
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof(one));
}

void EventLoop::set_tick(base::Duration period, std::function<void(base::Instant)> tick) {
  tick_period_ = period;
  tick_ = std::move(tick);
  next_tick_ = base::Clock::now() + period;
}

base::Instant EventLoop::sleeps_until() const {
  if (!turns_.empty()) {
    return base::Instant::min();
  }
  return background_ != nullptr && background_->is_waiting() ? background_->sleeps_until()
                                                             : base::Instant::max();
}

int EventLoop::wait_milliseconds() const {
  const base::Instant until = std::min(next_tick_, sleeps_until());
  if (until == base::Instant::min()) {
    return 0;
  }
  if (until == base::Instant::max()) {
    return -1;
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - base::Clock::now());
  return std::max(0, static_cast<int>(left.count()));
}

int EventLoop::wait() {
  if (was_busy_ && busy_poll_ > base::Duration::zero()) {
    const base::Instant until = std::min(base::Clock::now() + busy_poll_, sleeps_until());
    do {
      if (const int count = ::epoll_wait(epoll_.get(), ready_.data(), kEventsPerWake, 0);
          count != 0 || !turns_.empty()) {
        return count;
      }
    } while (base::Clock::now() < until);
  }
  return ::epoll_wait(epoll_.get(), ready_.data(), kEventsPerWake, wait_milliseconds());
}

void EventLoop::run() {
  while (!stopping_) {
    const int count = wait();
    CHECK(count >= 0 || errno == EINTR);
    was_busy_ = count > 0 || !turns_.empty();
    now_ = base::Clock::now();
    run_ready(static_cast<std::size_t>(std::max(count, 0)));
    run_turns();
    if (background_ != nullptr && background_->is_waiting()) {
      background_->on_round(!was_busy_);
    }
    if (now_ >= next_tick_) {
      next_tick_ = now_ + tick_period_;
      tick_(now_);
    }
  }
  run_posts();
}

void EventLoop::stop() {
  post([this] { stopping_ = true; });
}

void EventLoop::run_ready(std::size_t count) {
  bool posted = false;
  ready_count_ = count;
  for (std::size_t i = 0; i < count; ++i) {
    if (ready_[i].data.ptr == nullptr) {
      posted = true;
    } else if (ready_[i].events != 0) {  // 0: unwatched by a handler before it
      static_cast<Handler*>(ready_[i].data.ptr)->on_ready(ready_[i].events);
    }
  }
  ready_count_ = 0;
  if (posted) {
    run_posts();
  }
}

void EventLoop::run_turns() {
  std::swap(turns_, taking_turns_);
  for (std::size_t i = 0; i < taking_turns_.size(); ++i) {
    if (Handler* handler = taking_turns_[i]; handler != nullptr) {
      taking_turns_[i] = nullptr;
      handler->wants_turn = false;
      handler->on_ready(0);
    }
  }
  taking_turns_.clear();
}

void EventLoop::run_posts() {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto drained = ::read(wake_.get(), &count, sizeof(count));
  std::vector<std::function<void()>> tasks;
  {
    const std::scoped_lock lock(posts_->mutex);
    tasks.swap(posts_->tasks);
  }
  for (const auto& task : tasks) {
    task();
  }
}

}  // namespace gateway
