// Coalescer (GRO) and Segmenter (GSO): batches of MTU-sized segments into super-segments, and back.
// Both without the system call; bytes a second are those of the segments.

#include <benchmark/benchmark.h>

#include <vector>

#include "flows/coalescer.h"
#include "flows/segmenter.h"
#include "tools/bench/micro/packets.h"

namespace bench {
namespace {

constexpr std::size_t kSegmentBytes = 1400;
constexpr std::uint32_t kPayloadBytes = 1360;

struct Segment {
  test_support::Packet bytes;
  flows::Packet packet;
};

// A batch of 64, of `flows` connections in turn.
std::vector<Segment> batch_of(unsigned flows) {
  constexpr unsigned kBatch = 64;
  std::vector<Segment> batch;
  for (unsigned i = 0; i < kBatch; ++i) {
    auto bytes = segment(kSegmentBytes, i % flows, 1000 + i / flows * kPayloadBytes).build();
    const auto packet = flows::parse(bytes, {}).value();
    batch.push_back({std::move(bytes), packet});
  }
  return batch;
}

void coalesce(benchmark::State& state) {
  const auto batch = batch_of(static_cast<unsigned>(state.range(0)));
  flows::Coalescer coalescer;
  std::size_t writes = 0;
  for (auto _ : state) {
    writes = 0;
    for (const Segment& each : batch) {
      coalescer.add(each.bytes, each.packet, {});
    }
    coalescer.flush([&](const flows::Coalescer::Outgoing& outgoing) {
      benchmark::DoNotOptimize(outgoing.pieces().data());
      ++writes;
    });
  }
  const auto segments = state.iterations() * static_cast<std::int64_t>(batch.size());
  state.SetItemsProcessed(segments);
  state.SetBytesProcessed(segments * static_cast<std::int64_t>(kSegmentBytes));
  state.counters["writes"] = static_cast<double>(writes);
}

BENCHMARK(coalesce)->ArgName("flows")->Arg(1)->Arg(8)->Arg(64);

void cut(benchmark::State& state) {
  const auto builder = super_segment();
  const auto bytes = builder.build();
  const auto vnet = builder.vnet();
  const auto packet = flows::parse(bytes, vnet).value();
  std::vector<std::byte> out(80 * 1024);
  std::size_t written = 0;
  std::int64_t segments = 0;
  for (auto _ : state) {
    flows::Segmenter segmenter(bytes, packet, vnet);
    written = 0;
    while (const auto length = segmenter.next(std::span(out).subspan(written))) {
      written += *length;
      ++segments;
    }
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(segments);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(written));
}

BENCHMARK(cut);

}  // namespace
}  // namespace bench
