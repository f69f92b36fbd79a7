// CarriedRate: how fast somebody carries bytes now, by looks at a counter that there is anyway.
//
// Whoever ticks looks at it; the last looks reach back for about a second. So nothing is done for
// a packet, and what is asked for is the mean of the last 1 to 1.25 s where ticks come in time, of
// as much more as they are late, and never of less than a second: who has just begun is slow.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace gateway {

class CarriedRate {
 public:
  static constexpr base::Duration kTick = std::chrono::milliseconds(250);
  static constexpr base::Duration kSpan = std::chrono::seconds(1);

  /// At every tick: it has carried `bytes` in all.
  void look(std::uint64_t bytes, base::Instant now) {
    looks_[next_] = {bytes, now};
    next_ = (next_ + 1) % looks_.size();
    count_ = std::min(count_ + 1, looks_.size());
  }

  /// In the last second, when it has carried `bytes` in all by now. 0 before the first look.
  [[nodiscard]] std::uint64_t bits_per_second(std::uint64_t bytes, base::Instant now) const {
    if (count_ == 0) {
      return 0;
    }
    const Look& oldest = looks_[count_ < looks_.size() ? 0 : next_];
    const base::Duration span = std::max<base::Duration>(now - oldest.at, kSpan);
    const double seconds = std::chrono::duration<double>(span).count();
    return static_cast<std::uint64_t>(static_cast<double>(bytes - oldest.bytes) * 8 / seconds);
  }

  /// Nobody looks any more; what comes between is not asked for.
  void forget() { count_ = next_ = 0; }

 private:
  struct Look {
    std::uint64_t bytes = 0;
    base::Instant at{};
  };

  std::array<Look, kSpan / kTick + 1> looks_{};
  std::size_t next_ = 0;
  std::size_t count_ = 0;
};

}  // namespace gateway
