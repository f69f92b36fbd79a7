#include "nat/ttl.h"

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace nat {
namespace {

using flows::Packet;
using test_support::PacketBuilder;
using test_support::tcp;
using test_support::udp;
using Bytes = test_support::Packet;

TEST(DecrementTtl, GivesThePacketThatWasSentWithOneHopLess) {
  for (const auto& builder :
       {tcp("10.0.0.1:4000", "192.0.2.1:443").ack(1).payload("abc"),
        udp("10.0.0.1:4000", "192.0.2.1:53").payload("abc"),
        udp("[fd00::1]:4000", "[2001:db8::1]:53").payload("abc"),
        tcp("10.0.0.1:4000", "192.0.2.1:443").payload("abc").fragment(0, true, 9)}) {
    for (unsigned ttl = 2; ttl <= 255; ++ttl) {
      Bytes bytes = PacketBuilder(builder).ttl(ttl).build();
      const Packet packet = flows::parse(bytes, {}).value();
      decrement_ttl(bytes, packet);
      ASSERT_EQ(bytes, PacketBuilder(builder).ttl(ttl - 1).build()) << ttl;
    }
  }
}

// The header's checksum wraps at some of these.
TEST(DecrementTtl, KeepsTheHeaderChecksumRight) {
  for (std::uint32_t id = 0; id <= 0xffff; id += 13) {
    Bytes bytes = udp("10.0.0.1:4000", "192.0.2.1:53").id(id).build();
    const Packet packet = flows::parse(bytes, {}).value();
    decrement_ttl(bytes, packet);
    ASSERT_TRUE(flows::parse(bytes, {})) << id;
  }
}

TEST(DecrementTtlDeathTest, LastHopIsNotSpent) {
  Bytes bytes = udp("10.0.0.1:4000", "192.0.2.1:53").ttl(1).build();
  const Packet packet = flows::parse(bytes, {}).value();
  EXPECT_DEATH(decrement_ttl(bytes, packet), "CHECK failed");
}

}  // namespace
}  // namespace nat
