// Waiting for what must happen: on a condition, with a limit. No test sleeps for a time.
#pragma once

#include <poll.h>

#include <chrono>
#include <thread>

#include "base/fd.h"
#include "base/time.h"

namespace integration {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

/// For what must happen; only a failing test waits so long.
inline constexpr std::chrono::seconds kPatience{15};

/// Whether `condition()` became true within `limit`. It is asked every millisecond.
template <class Condition>
bool eventually(Condition condition, base::Duration limit = kPatience) {
  const base::Instant deadline = base::Clock::now() + limit;
  while (!condition()) {
    if (base::Clock::now() >= deadline) {
      return false;
    }
    std::this_thread::sleep_for(1ms);  // between two looks, not instead of one
  }
  return true;
}

/// Whether poll(2) reported one of `events` (or an error or hang-up) on `fd` in time.
inline bool ready_within(base::Duration limit, const base::Fd& fd, short events = POLLIN) {
  pollfd wait{.fd = fd.get(), .events = events, .revents = 0};
  const auto timeout = std::chrono::ceil<std::chrono::milliseconds>(limit);
  return ::poll(&wait, 1, static_cast<int>(timeout.count())) == 1;
}

}  // namespace integration
