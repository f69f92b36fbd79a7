// TrafficRate: what a flow carries a second, from what it had carried at two looks.
#pragma once

#include <cstdint>

#include "flows/flow.h"

namespace gateway {

/// Each per second.
struct TrafficRate {
  double bits = 0;
  double packets = 0;
};

/// A counter may seem to run backwards when it is read while it moves.
inline double per_second(std::uint64_t before, std::uint64_t now, double seconds) {
  return now <= before ? 0 : static_cast<double>(now - before) / seconds;
}

inline TrafficRate traffic_rate(const flows::WireCount& before, const flows::WireCount& now,
                                double seconds) {
  return {.bits = 8 * per_second(before.bytes, now.bytes, seconds),
          .packets = per_second(before.packets, now.packets, seconds)};
}

}  // namespace gateway
