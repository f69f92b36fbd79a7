#include "gateway/upgrade/held_syn.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace gateway {
namespace {

using test_support::PacketBuilder;
using test_support::tcp;

constexpr std::size_t kPayloadBytes = 60'000;

// With what a client's kernel leaves to offload, and without; IP options and extensions included.
std::vector<PacketBuilder> syns() {
  const test_support::Packet no_operations(8, std::byte{1});
  const auto v4 = [] { return tcp("10.0.0.1:40000", "192.0.2.1:443").syn().seq(77).mss(1360); };
  const auto v6 = [] { return tcp("[fd00::1]:40000", "[2001:db8::1]:443").syn().seq(77); };
  return {v4(),
          v4().payload("fast open"),
          v4().ip_options(no_operations).payload(kPayloadBytes),
          v4().payload(kPayloadBytes).partial_checksum(),
          v6().mss(1360).payload(kPayloadBytes),
          v6().extension(60).payload(kPayloadBytes).partial_checksum()};
}

// One that has come in.
struct Came {
  explicit Came(const PacketBuilder& builder)
      : bytes(builder.build()),
        raw{builder.vnet(), bytes},
        parsed(flows::parse(bytes, raw.vnet).value()) {}

  test_support::Packet bytes;
  RawPacket raw;
  flows::Packet parsed;
};

TEST(HeldSyn, KeepsTheHeadersAsTheyCame) {
  for (const PacketBuilder& builder : syns()) {
    const Came came(builder);
    const HeldSyn held(came.raw, came.parsed);
    EXPECT_TRUE(std::ranges::equal(held.headers(),
                                   std::span(came.bytes).first(came.parsed.payload_offset)));
  }
}

TEST(HeldSyn, RemembersHowMuchOfTheSequenceSpaceItTook) {
  const Came came(tcp("10.0.0.1:1", "192.0.2.1:2").syn().payload("fast open"));
  EXPECT_EQ(HeldSyn(came.raw, came.parsed).parsed().payload_bytes(), 9U);
}

// parse() verifies lengths and checksums: there is no offload that could vouch for them.
TEST(HeldSyn, IsAWholePacketWithoutItsPayload) {
  for (const PacketBuilder& builder : syns()) {
    const Came came(builder);
    HeldSyn held(came.raw, came.parsed);
    const RawPacket taken = held.take_without_payload();
    EXPECT_TRUE(held.is_taken());
    EXPECT_EQ(taken.bytes.size(), came.parsed.payload_offset);
    EXPECT_FALSE(taken.vnet.has_partial_checksum() || taken.vnet.is_gso());
    const auto parsed = flows::parse(taken.bytes, taken.vnet);
    ASSERT_TRUE(parsed) << name(parsed.error());
    EXPECT_EQ(parsed->payload_bytes(), 0U);
    EXPECT_EQ(parsed->sequence, 77U);
    EXPECT_EQ(parsed->source, came.parsed.source);
    EXPECT_EQ(parsed->destination, came.parsed.destination);
  }
}

TEST(HeldSyn, WithoutPayloadIsThePacketThatAClientWouldHaveSent) {
  const auto syn = [] { return tcp("10.0.0.1:1", "192.0.2.1:2").syn().mss(1360); };
  const Came came(syn().payload(kPayloadBytes));
  HeldSyn held(came.raw, came.parsed);
  EXPECT_TRUE(std::ranges::equal(held.take_without_payload().bytes, syn().build()));
}

}  // namespace
}  // namespace gateway
