#include "nat/ds_field.h"

#include <gtest/gtest.h>

#include "flows/packet.h"
#include "tests/support/packet_builder.h"

namespace nat {
namespace {

using flows::Dscp;
using test_support::PacketBuilder;
using test_support::tcp;
using test_support::udp;
using Bytes = test_support::Packet;

// From every DS field to every code point, both families, and a fragment.
TEST(SetDscp, GivesThePacketThatWasSentWithItAndKeepsEcn) {
  for (const auto& builder :
       {tcp("10.0.0.1:4000", "192.0.2.1:443").ack(1).payload("abc"),
        udp("[fd00::1]:4000", "[2001:db8::1]:53").payload("abc"),
        tcp("10.0.0.1:4000", "192.0.2.1:443").payload("abc").fragment(0, true, 9)}) {
    for (unsigned field = 0; field <= 0xff; ++field) {
      const Bytes sent = PacketBuilder(builder).traffic_class(field).build();
      for (unsigned code = 0; code <= flows::kMostDscp; ++code) {
        Bytes bytes = sent;
        set_dscp(bytes, Dscp(code));
        const unsigned wanted = code << 2U | (field & 3U);
        ASSERT_EQ(bytes, PacketBuilder(builder).traffic_class(wanted).build())
            << field << " " << code;
      }
    }
  }
}

// The header's checksum wraps at some of these.
TEST(SetDscp, KeepsTheHeaderChecksumRight) {
  for (std::uint32_t id = 0; id <= 0xffff; id += 13) {
    Bytes bytes = udp("10.0.0.1:4000", "192.0.2.1:53").id(id).build();
    set_dscp(bytes, Dscp{46});
    const auto packet = flows::parse(bytes, {});
    ASSERT_TRUE(packet) << id;
    ASSERT_EQ(packet->traffic_class, 46 << 2);
  }
}

TEST(SetDscpDeathTest, NoneIsNotACodePoint) {
  Bytes bytes = udp("10.0.0.1:4000", "192.0.2.1:53").build();
  EXPECT_DEATH(set_dscp(bytes, flows::kOwnDscp), "CHECK failed");
}

}  // namespace
}  // namespace nat
