// nat::rewrite(): new addresses and ports in place, checksums by difference, there and back.

#include <benchmark/benchmark.h>

#include "flows/packet.h"
#include "nat/rewrite.h"
#include "tools/bench/micro/packets.h"

namespace bench {
namespace {

void rewrite(benchmark::State& state, const test_support::PacketBuilder& builder,
             const nat::NewEnds& ends) {
  auto bytes = builder.build();
  const auto vnet = builder.vnet();
  const auto packet = flows::parse(bytes, vnet).value();
  const nat::NewEnds before{packet.source, packet.destination};
  // rewrite() takes what is there from the bytes, so that one parse serves both ways.
  bool there = true;
  for (auto _ : state) {
    nat::rewrite(bytes, packet, vnet, there ? ends : before);
    there = !there;
    benchmark::DoNotOptimize(bytes.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations());
}

const nat::NewEnds kOutside4{test_support::endpoint("198.18.0.9:2000"),
                             test_support::endpoint("198.19.255.1:1")};
const nat::NewEnds kOutside6{test_support::endpoint("[fd6c::9]:2000"),
                             test_support::endpoint("[fd6c::1]:1")};

BENCHMARK_CAPTURE(rewrite, tcp_v4, segment(1400), kOutside4);
BENCHMARK_CAPTURE(rewrite, tcp_v6, segment_v6(1400), kOutside6);
BENCHMARK_CAPTURE(rewrite, udp_v4, datagram(1400), kOutside4);
BENCHMARK_CAPTURE(rewrite, offload_v4, super_segment(), kOutside4);

}  // namespace
}  // namespace bench
