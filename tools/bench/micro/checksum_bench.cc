// sum_of(): what verifying and cutting spend most of their time with.

#include <benchmark/benchmark.h>

#include <vector>

#include "flows/internet_checksum.h"

namespace bench {
namespace {

void checksum(benchmark::State& state) {
  const std::vector<std::byte> bytes(static_cast<std::size_t>(state.range(0)), std::byte{0x5a});
  for (auto _ : state) {
    benchmark::DoNotOptimize(flows::sum_of(bytes));
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

BENCHMARK(checksum)->Arg(20)->Arg(40)->Arg(1380)->Arg(8192)->Arg(64980);

}  // namespace
}  // namespace bench
