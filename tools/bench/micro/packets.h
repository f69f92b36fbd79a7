// The packets of the microbenchmarks, made by the tests' builder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/support/packet_builder.h"

namespace bench {

/// A TCP segment of `bytes` bytes, headers included, from client `flow` to one server.
inline test_support::PacketBuilder segment(std::size_t bytes, unsigned flow = 0,
                                           std::uint32_t sequence = 1000) {
  constexpr std::size_t kHeaders = 40;
  return test_support::tcp("100.64.0.2:" + std::to_string(40000 + flow), "198.51.100.7:443")
      .dont_fragment()
      .ack(7)
      .seq(sequence)
      .payload(bytes - kHeaders);
}

inline test_support::PacketBuilder segment_v6(std::size_t bytes) {
  constexpr std::size_t kHeaders = 60;
  return test_support::tcp("[fd00:64::2]:40000", "[2001:db8::7]:443")
      .ack(7)
      .payload(bytes - kHeaders);
}

inline test_support::PacketBuilder datagram(std::size_t bytes) {
  constexpr std::size_t kHeaders = 28;
  return test_support::udp("100.64.0.2:40000", "198.51.100.7:443").payload(bytes - kHeaders);
}

/// What a TUN with offload hands over: as much as fits, cut at an MTU of 1400.
inline test_support::PacketBuilder super_segment() {
  return segment(65000).gso(flows::VnetHeader::kGsoTcpV4, 1360);
}

}  // namespace bench
