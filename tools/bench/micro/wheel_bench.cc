// ExpiryWheel: what arming, disarming and a turn cost with a million flows in it.

#include <benchmark/benchmark.h>

#include <chrono>

#include "flows/expiry_wheel.h"
#include "tools/bench/micro/flow_maps.h"

namespace bench {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kFlows = 1 << 20;
constexpr base::Instant kStart{1h};

// Flows whose deadlines are spread over two minutes, as UDP's are.
base::Instant deadline(std::uint32_t i) {
  return kStart + 1s + std::chrono::milliseconds(i % 120'000);
}

struct Filled {
  Filled() : made(kFlows), wheel(made.table(), kStart) {
    for (std::uint32_t i = 0; i < kFlows; ++i) {
      made.insert(key_number(i));
      wheel.arm(flows::FlowIndex{i}, deadline(i));
    }
  }
  OurTable made;
  flows::ExpiryWheel wheel;
};

// In the order of nobody: consecutive records lie 389 apart.
void wheel_rearm(benchmark::State& state) {
  Filled filled;
  std::uint32_t at = 0;
  for (auto _ : state) {
    at = (at + 389) % kFlows;
    filled.wheel.arm(flows::FlowIndex{at}, deadline(at));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(wheel_rearm);

// Every tick looks at its slot; each flow that is due is armed again, two minutes on.
void wheel_advance(benchmark::State& state) {
  Filled filled;
  base::Instant now = kStart;
  std::int64_t due = 0;
  for (auto _ : state) {
    now += flows::ExpiryWheel::kTick;
    filled.wheel.advance(now, kFlows, [&](flows::FlowIndex index) {
      ++due;
      filled.wheel.arm(index, now + 120s);
    });
  }
  state.SetItemsProcessed(due);
  state.counters["due_per_tick"] =
      static_cast<double>(due) / static_cast<double>(state.iterations());
}
BENCHMARK(wheel_advance);

}  // namespace
}  // namespace bench
