// ShardPulse: what a shard says of itself at each tick, so that others can tell whether it lives
// without waiting for it: one that is stuck would never answer.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "base/time.h"
#include "gateway/inspect/health.h"

namespace gateway {

class ShardPulse {
 public:
  /// The shard's thread. `health` without the age of the tick, which is now.
  void beat(const ShardHealth& health, base::Instant now) {
    has_sandbox_.store(health.has_sandbox, kRelaxed);
    helper_.store(health.helper, kRelaxed);
    sandbox_restarts_.store(health.sandbox_restarts, kRelaxed);
    lag_ns_.store(health.lag_ns, kRelaxed);
    flows_.store(health.flows, kRelaxed);
    dials_.store(health.dials, kRelaxed);
    at_ns_.store(base::to_nanoseconds(now), kRelaxed);
  }

  /// Any thread, which is awake since `awake_since`: what the shard could not do while both were
  /// stopped is not held against it. Its parts may be of two ticks.
  [[nodiscard]] ShardHealth read(base::Instant now, base::Instant awake_since) const {
    const std::int64_t alive_ns =
        std::max(at_ns_.load(kRelaxed), base::to_nanoseconds(awake_since));
    return {.has_sandbox = has_sandbox_.load(kRelaxed),
            .helper = helper_.load(kRelaxed),
            .sandbox_restarts = sandbox_restarts_.load(kRelaxed),
            .tick_age_ns = base::to_nanoseconds(now) - alive_ns,
            .lag_ns = lag_ns_.load(kRelaxed),
            .flows = flows_.load(kRelaxed),
            .dials = dials_.load(kRelaxed)};
  }

 private:
  static constexpr auto kRelaxed = std::memory_order_relaxed;

  std::atomic<bool> has_sandbox_ = false;
  std::atomic<std::int32_t> helper_ = 0;
  std::atomic<std::uint64_t> sandbox_restarts_ = 0;
  std::atomic<std::int64_t> at_ns_ = 0;
  std::atomic<std::int64_t> lag_ns_ = 0;
  std::atomic<std::uint32_t> flows_ = 0;
  std::atomic<std::uint32_t> dials_ = 0;
};

}  // namespace gateway
