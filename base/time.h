// Time as the program measures it: monotonic, and passed in as an argument wherever code is pure.
#pragma once

#include <chrono>
#include <cstdint>

namespace base {

using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC on Linux
using Instant = Clock::time_point;
using Duration = Clock::duration;

/// For flat records that other processes read: CLOCK_MONOTONIC nanoseconds, the same in every
/// process of one boot.
[[nodiscard]] inline std::int64_t to_nanoseconds(Instant instant) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(instant.time_since_epoch()).count();
}
[[nodiscard]] inline Instant from_nanoseconds(std::int64_t nanoseconds) {
  return Instant(std::chrono::nanoseconds(nanoseconds));
}

}  // namespace base
