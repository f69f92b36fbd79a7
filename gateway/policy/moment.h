// Moment: a point in time as rules ask for it: the day of the week and the minute of the day.
#pragma once

#include <chrono>
#include <cstdint>

#include "gateway/config/settings.h"

namespace gateway {

struct Moment {
  std::uint8_t day = 0;      // from Monday
  std::uint16_t minute = 0;  // of the day
};

/// In the zone's terms; the machine's own follows its clock changes.
Moment moment_in(const Zone& zone, std::chrono::system_clock::time_point time);

[[nodiscard]] bool is_within(const TimeRange& range, const Moment& moment);
[[nodiscard]] bool is_within(const DayRange& range, const Moment& moment);

}  // namespace gateway
