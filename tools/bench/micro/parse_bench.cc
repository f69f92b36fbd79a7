// parse(): every length and every checksum of one packet, as it comes from a tunnel.

#include <benchmark/benchmark.h>

#include "flows/packet.h"
#include "tools/bench/micro/packets.h"

namespace bench {
namespace {

void parse_one(benchmark::State& state, const test_support::PacketBuilder& builder) {
  const auto packet = builder.build();
  const auto vnet = builder.vnet();
  for (auto _ : state) {
    benchmark::DoNotOptimize(flows::parse(packet, vnet));
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(packet.size()));
}

BENCHMARK_CAPTURE(parse_one, tcp_40, segment(40));
BENCHMARK_CAPTURE(parse_one, tcp_1400, segment(1400));
BENCHMARK_CAPTURE(parse_one, tcp_1400_v6, segment_v6(1400));
BENCHMARK_CAPTURE(parse_one, udp_64, datagram(64));
BENCHMARK_CAPTURE(parse_one, udp_1400, datagram(1400));
BENCHMARK_CAPTURE(parse_one, offload_65000, super_segment());

}  // namespace
}  // namespace bench
