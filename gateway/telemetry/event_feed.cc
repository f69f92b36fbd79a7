#include "gateway/telemetry/event_feed.h"

#include <utility>

#include "base/time.h"

namespace gateway {
namespace {

std::int64_t now_ns() {
  return base::to_nanoseconds(base::Clock::now());
}

}  // namespace

void EventFeed::append(const AuditEvent& event) {
  log_->append(event);
  if (followed_.load(std::memory_order_relaxed)) {
    keep({event, now_ns()});
  }
}

void EventFeed::tell(const TunnelEvent& event) {
  log_->tell(event);
  if (followed_.load(std::memory_order_relaxed)) {
    keep({event, now_ns()});
  }
}

// Under the lock all the way, so that stop() can promise what it promises.
void EventFeed::keep(Happened happened) {
  const std::scoped_lock lock(mutex_);
  if (!wake_) {
    return;
  }
  if (waiting_.events.size() >= kMostWaiting) {
    ++waiting_.lost;
    return;
  }
  waiting_.events.push_back(std::move(happened));
  if (waiting_.events.size() == 1) {
    wake_();
  }
}

void EventFeed::start(std::function<void()> wake) {
  const std::scoped_lock lock(mutex_);
  wake_ = std::move(wake);
  followed_.store(true, std::memory_order_relaxed);
}

void EventFeed::stop() {
  followed_.store(false, std::memory_order_relaxed);
  const std::scoped_lock lock(mutex_);
  wake_ = nullptr;
  waiting_ = {};
}

EventFeed::Batch EventFeed::take() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(waiting_, {});
}

}  // namespace gateway
