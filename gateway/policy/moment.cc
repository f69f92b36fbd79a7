#include "gateway/policy/moment.h"

#include <ctime>

namespace gateway {

Moment moment_in(const Zone& zone, std::chrono::system_clock::time_point time) {
  if (zone.minutes_east) {
    time += std::chrono::minutes(*zone.minutes_east);
  }
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  zone.minutes_east ? ::gmtime_r(&seconds, &parts) : ::localtime_r(&seconds, &parts);
  constexpr int kDaysOfWeek = 7;
  return {static_cast<std::uint8_t>((parts.tm_wday + kDaysOfWeek - 1) % kDaysOfWeek),
          static_cast<std::uint16_t>(parts.tm_hour * 60 + parts.tm_min)};
}

bool is_within(const TimeRange& range, const Moment& moment) {
  const bool begun = range.begin <= moment.minute;
  const bool goes_on = moment.minute < range.end;
  return range.begin < range.end ? begun && goes_on : begun || goes_on;
}

bool is_within(const DayRange& range, const Moment& moment) {
  const bool begun = range.first <= moment.day;
  const bool goes_on = moment.day <= range.last;
  return range.first <= range.last ? begun && goes_on : begun || goes_on;
}

}  // namespace gateway
