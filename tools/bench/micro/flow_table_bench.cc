// The flow table beside absl::flat_hash_map with the same key, record and hash, at 1 K, 1 M and 8 M
// flows: finding one (there, and not there) in random order, and inserting.
//
// Both maps of a size are alive at the same time, and are measured in turns. Keys are made on the
// way, from a number: an array of them would be in competition for the cache.

#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <memory>
#include <string>

#include "tools/bench/micro/flow_maps.h"

namespace bench {
namespace {

// The map with `count` flows, filled when it is first asked for; those of another size are given
// up.
template <class Map>
Map& filled(std::uint32_t count) {
  static std::unique_ptr<Map> map;
  static std::uint32_t size = 0;
  if (size != count) {
    map.reset();
    map = std::make_unique<Map>(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      map->insert(key_number(i));
    }
    size = count;
  }
  return *map;
}

// A number below 2^32 in an order that no prefetcher knows; cheap.
class Shuffle {
 public:
  std::uint32_t below(std::uint32_t limit) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;  // Knuth's MMIX
    return static_cast<std::uint32_t>((state_ >> 32U) * limit >> 32U);
  }

 private:
  std::uint64_t state_ = 1;
};

// Flows that are there are numbered from 0; with `kMiss` those beyond are asked for.
enum class Ask { kHit, kMiss };

template <class Map, Ask kAsk>
void find(benchmark::State& state) {
  const auto count = static_cast<std::uint32_t>(state.range(0));
  const Map& map = filled<Map>(count);
  Shuffle shuffle;
  std::uint64_t found = 0;
  for (auto _ : state) {
    const std::uint32_t number = shuffle.below(count) + (kAsk == Ask::kMiss ? count : 0);
    const flows::Flow* flow = map.find(key_number(number));
    found += flow != nullptr ? 1 : 0;
    benchmark::DoNotOptimize(flow);
  }
  CHECK(found == (kAsk == Ask::kHit ? static_cast<std::uint64_t>(state.iterations()) : 0));
  state.SetItemsProcessed(state.iterations());
}

// What follows a lookup in the packet path: the record is written to.
template <class Map>
void find_and_count(benchmark::State& state) {
  const auto count = static_cast<std::uint32_t>(state.range(0));
  Map& map = filled<Map>(count);
  Shuffle shuffle;
  for (auto _ : state) {
    auto* flow = const_cast<flows::Flow*>(map.find(key_number(shuffle.below(count))));
    flow->last_seen_ns = 1;
    ++flow->up.packets;
    flow->up.bytes += 1400;
  }
  state.SetItemsProcessed(state.iterations());
}

// ---- Inserting ----

constexpr double kBarUs = 20;

double now_us(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

// The longest of many, and how many were above the bar.
struct Longest {
  double us = 0;
  double above = 0;
  void add(double more) {
    us = std::max(us, more);
    above += more > kBarUs ? 1 : 0;
  }
};

// The same by the clock, and by the processor time of the thread, which leaves out what other
// threads took meanwhile (not what interrupts and the hypervisor did).
class Stopwatch {
 public:
  template <class Do>
  void measure(Do what) {
    const double processor_before = now_us(CLOCK_THREAD_CPUTIME_ID);
    const double before = now_us(CLOCK_MONOTONIC);
    what();
    const double took = now_us(CLOCK_MONOTONIC) - before;
    processor.add(now_us(CLOCK_THREAD_CPUTIME_ID) - processor_before);
    wall.add(took);
    total_us += took;
  }
  Longest wall;
  Longest processor;
  double total_us = 0;
};

// What the machine does to a thread that touches no memory, for as long.
Stopwatch idle(std::uint32_t rounds) {
  constexpr double kRoundUs = 0.7;  // about an insert's time
  Stopwatch watch;
  for (std::uint32_t i = 0; i < rounds; ++i) {
    watch.measure([] {
      const double end = now_us(CLOCK_MONOTONIC) + kRoundUs;
      while (now_us(CLOCK_MONOTONIC) < end) {
      }
    });
  }
  return watch;
}

// Every insert is measured, into memory that nobody has touched yet.
template <class Map>
void insert(benchmark::State& state) {
  const auto count = static_cast<std::uint32_t>(state.range(0));
  Stopwatch watch;
  for (auto _ : state) {
    Map map(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      const flows::FlowKey key = key_number(i);
      watch.measure([&] { map.insert(key); });
    }
  }
  const Stopwatch control = idle(count);
  state.counters["mean_ns"] = watch.total_us * 1e3 / count;
  state.counters["max_us"] = watch.wall.us;
  state.counters["above_20us"] = watch.wall.above;
  state.counters["cpu_max_us"] = watch.processor.us;
  state.counters["cpu_above_20us"] = watch.processor.above;
  state.counters["idle_max_us"] = control.wall.us;
  state.counters["idle_above_20us"] = control.wall.above;
  state.counters["idle_cpu_max_us"] = control.processor.us;
  state.counters["idle_cpu_above_20us"] = control.processor.above;
}

// ---- In turns ----

template <class Map>
void at_size(const char* map, std::int64_t count) {
  const auto name = [&](const char* what) { return std::string(what) + "/" + map; };
  benchmark::RegisterBenchmark(name("find_hit").c_str(), find<Map, Ask::kHit>)->Arg(count);
  benchmark::RegisterBenchmark(name("find_miss").c_str(), find<Map, Ask::kMiss>)->Arg(count);
  benchmark::RegisterBenchmark(name("find_and_count").c_str(), find_and_count<Map>)->Arg(count);
}

template <class Map>
void insert_at_size(const char* map, std::int64_t count) {
  benchmark::RegisterBenchmark((std::string("insert/") + map).c_str(), insert<Map>)
      ->Arg(count)
      ->Iterations(1)
      ->Unit(benchmark::kMillisecond);
}

[[maybe_unused]] const bool kRegistered = [] {
  for (const std::int64_t count : {1L << 10, 1L << 20, 1L << 23}) {
    insert_at_size<OurTable>("flow_table", count);
    insert_at_size<AbslMap>("absl", count);
    at_size<OurTable>("flow_table", count);
    at_size<AbslMap>("absl", count);
  }
  return true;
}();

}  // namespace
}  // namespace bench
