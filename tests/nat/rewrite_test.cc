#include "nat/rewrite.h"

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "flows/packet.h"
#include "tests/support/packet_builder.h"

namespace nat {
namespace {

using base::Endpoint;
using base::IpAddress;
using base::Port;
using flows::Packet;
using flows::VnetHeader;
using test_support::echo_reply;
using test_support::echo_request;
using test_support::endpoint;
using test_support::fix_checksums;
using test_support::get16;
using test_support::get8;
using test_support::icmp;
using test_support::ip;
using test_support::naive_pseudo_sum;
using test_support::naive_transport_checksum;
using test_support::PacketBuilder;
using test_support::tcp;
using test_support::udp;

using Bytes = test_support::Packet;

constexpr auto kA4 = "10.0.0.1:40000", kB4 = "192.0.2.1:443";
constexpr auto kA6 = "[fd00::1]:40000", kB6 = "[2001:db8::1]:443";
const NewEnds kNew4{endpoint("100.64.255.254:1"), endpoint("203.0.113.9:65535")};
const NewEnds kNew6{endpoint("[fd64:1:2:3:4:5:6:7]:1"), endpoint("[2001:db8:ffff::9]:65535")};

Packet parsed(const Bytes& bytes, const VnetHeader& vnet = {}) {
  const auto packet = parse(bytes, vnet);
  EXPECT_TRUE(packet) << name(packet.error());
  return packet ? *packet : Packet{};
}

Bytes rewritten(Bytes bytes, const VnetHeader& vnet, const NewEnds& ends) {
  rewrite(bytes, parsed(bytes, vnet), vnet, ends);
  return bytes;
}

NewEnds ends_of(const Packet& packet) {
  return {packet.source, packet.destination};
}

// One of each kind that has a checksum of its own to follow.
std::vector<std::pair<std::string, PacketBuilder>> kinds() {
  const Bytes options(8, std::byte{1});
  return {
      {"tcp4", tcp(kA4, kB4).ack(1).payload("abc")},
      {"tcp4 with options", tcp(kA4, kB4).syn().mss(1460).ip_options(options)},
      {"tcp4 partial", tcp(kA4, kB4).ack(1).payload("abc").partial_checksum()},
      {"tcp4 segments", tcp(kA4, kB4).ack(1).payload(std::size_t{9000}).gso(1, 1400)},
      {"tcp6", tcp(kA6, kB6).ack(1).payload("abcd")},
      {"tcp6 partial", tcp(kA6, kB6).ack(1).payload("abc").partial_checksum()},
      {"udp4", udp(kA4, kB4).payload("abc")},
      {"udp4 without checksum", udp(kA4, kB4).payload("abc").no_checksum()},
      {"udp4 partial", udp(kA4, kB4).payload("abc").partial_checksum()},
      {"udp6", udp(kA6, kB6).payload("abc")},
      {"udp6 with extensions", udp(kA6, kB6).extension(0).extension(60, 3).payload("abc")},
      {"udp6 partial", udp(kA6, kB6).payload("abc").partial_checksum()},
      {"icmp4 error", icmp("10.0.0.1", "10.0.0.2").icmp(3, 1, 0).payload("abc")},
      {"icmp6 error", icmp("fd00::1", "fd00::2").icmp(1, 1, 0).payload("abc")},
      {"gre", ip(47, "10.0.0.1", "10.0.0.2").payload("abc")},
      {"gre6", ip(47, "fd00::1", "fd00::2").payload("abc")},
  };
}

// The packet as the builder would have made it with the new ends.
TEST(Rewrite, GivesTheBytesOfAPacketBuiltWithTheNewEnds) {
  struct Case {
    PacketBuilder before;
    PacketBuilder after;
  };
  const auto new4 = std::pair{kNew4.source.to_string(), kNew4.destination.to_string()};
  const auto new6 = std::pair{kNew6.source.to_string(), kNew6.destination.to_string()};
  const auto tcp4 = [](PacketBuilder builder) { return builder.ack(7).payload("hello"); };
  const auto partial = [](PacketBuilder builder) {
    return builder.payload("hello").partial_checksum();
  };
  const auto none = [](PacketBuilder builder) { return builder.payload("hello").no_checksum(); };
  for (const auto& [before, after] :
       {Case{tcp4(tcp(kA4, kB4)), tcp4(tcp(new4.first, new4.second))},
        Case{tcp4(tcp(kA6, kB6)), tcp4(tcp(new6.first, new6.second))},
        Case{udp(kA4, kB4), udp(new4.first, new4.second)},
        Case{udp(kA6, kB6), udp(new6.first, new6.second)},
        Case{partial(udp(kA4, kB4)), partial(udp(new4.first, new4.second))},
        Case{partial(udp(kA6, kB6)), partial(udp(new6.first, new6.second))},
        Case{none(udp(kA4, kB4)), none(udp(new4.first, new4.second))}}) {
    const Bytes bytes = before.build();
    const bool v4 = get8(bytes, 0) >> 4U == 4;
    EXPECT_EQ(rewritten(bytes, before.vnet(), v4 ? kNew4 : kNew6), after.build());
  }
}

TEST(Rewrite, EveryKindParsesToTheNewEndsAndBackToItsOwnBytes) {
  for (const auto& [kind, builder] : kinds()) {
    const Bytes before = builder.build();
    const Packet old = parsed(before, builder.vnet());
    NewEnds ends = old.is_v4() ? kNew4 : kNew6;
    if (old.source.port == Port{0}) {
      ends.source.port = ends.destination.port = Port{0};
    }

    const Bytes after = rewritten(before, builder.vnet(), ends);

    const Packet packet = parsed(after, builder.vnet());
    EXPECT_EQ(packet.source, ends.source) << kind;
    EXPECT_EQ(packet.destination, ends.destination) << kind;
    EXPECT_EQ(rewritten(after, builder.vnet(), ends_of(old)), before) << kind;
  }
}

TEST(Rewrite, EchoTakesTheIdentifierOfTheNewSource) {
  for (const auto& builder :
       {echo_request("10.0.0.1", "10.0.0.2", 77), echo_reply("10.0.0.1", "10.0.0.2", 77),
        echo_request("fd00::1", "fd00::2", 77), echo_reply("fd00::1", "fd00::2", 77)}) {
    const Bytes before = PacketBuilder(builder).payload("abc").build();
    const Packet old = parsed(before);
    NewEnds ends = old.is_v4() ? kNew4 : kNew6;
    ends.source.port = Port{0xbeef};

    const Bytes after = rewritten(before, {}, ends);

    const Packet packet = parsed(after);
    EXPECT_EQ(packet.source, ends.source);
    EXPECT_EQ(packet.destination.address, ends.destination.address);
    EXPECT_EQ(packet.destination.port, Port{0xbeef});
    EXPECT_EQ(rewritten(after, {}, ends_of(old)), before);
  }
}

// 0 in its checksum would be wrong: whoever adds it up finds 0.
TEST(Rewrite, EchoReplyOfNothingButZerosHasARightChecksum) {
  const Bytes before = icmp("10.0.0.1", "10.0.0.2").icmp(0, 0, 0x92000000).build();
  NewEnds ends = kNew4;
  ends.source.port = ends.destination.port = Port{0};

  const Bytes after = rewritten(before, {}, ends);

  EXPECT_EQ(parsed(after).source, ends.source);
  EXPECT_EQ(rewritten(after, {}, ends_of(parsed(before))), before);
}

TEST(Rewrite, IcmpThatIsNoEchoKeepsWhatAnEchoWouldHaveAsIdentifier) {
  const Bytes before = icmp("10.0.0.1", "10.0.0.2").icmp(3, 4, 0x12345678).build();
  const Bytes after = rewritten(before, {}, kNew4);
  EXPECT_TRUE(std::equal(before.begin() + 20, before.end(), after.begin() + 20));
}

TEST(Rewrite, ManyRandomRewritesKeepBothChecksumsRight) {
  std::mt19937 random(1);  // the same packets on every run
  const auto port = [&] { return Port{static_cast<std::uint16_t>(random())}; };
  for (int i = 0; i < 4000; ++i) {
    PacketBuilder builder = i % 2 == 0 ? tcp(kA4, kB4).ack(1) : udp(kA4, kB4);
    const Bytes before = builder.payload(std::size_t{random() % 20}).build();
    const unsigned protocol = i % 2 == 0 ? 6 : 17;
    const NewEnds ends{{IpAddress::v4(static_cast<std::uint32_t>(random())), port()},
                       {IpAddress::v4(static_cast<std::uint32_t>(random())), port()}};

    const Bytes after = rewritten(before, {}, ends);

    Bytes fixed = after;
    fix_checksums(fixed, 20, protocol);
    ASSERT_EQ(after, fixed);
    ASSERT_EQ(rewritten(after, {}, ends_of(parsed(before))), before);
  }
}

// Where a checksum comes out as 0: UDP has to say 0xffff (RFC 768), TCP must not (RFC 1624).
TEST(Rewrite, ChecksumThatBecomesZeroIsWrittenInTheProtocolsWay) {
  for (const unsigned protocol : {6U, 17U}) {
    const PacketBuilder builder = protocol == 6 ? tcp(kA4, kB4).ack(1) : udp(kA4, kB4);
    const std::size_t field = protocol == 6 ? 36 : 26;
    const Bytes before = builder.build();
    // The destination port that lacks from the sum.
    const unsigned checksum = get16(before, field);
    const unsigned sum = 443 + checksum;
    NewEnds ends{endpoint(kA4), endpoint(kB4)};
    ends.destination.port = Port{static_cast<std::uint16_t>((sum & 0xffffU) + (sum >> 16U))};

    const Bytes after = rewritten(before, {}, ends);

    EXPECT_EQ(get16(after, field), protocol == 6 ? 0u : 0xffffu);
    EXPECT_EQ(parsed(after).destination, ends.destination);
    EXPECT_EQ(rewritten(after, {}, {endpoint(kA4), endpoint(kB4)}), before);
  }
}

TEST(Rewrite, UdpWithoutChecksumStaysWithout) {
  const PacketBuilder builder = udp(kA4, kB4).payload("abc").no_checksum();
  EXPECT_EQ(get16(rewritten(builder.build(), {}, kNew4), 26), 0u);
}

TEST(Rewrite, PartialChecksumHoldsTheNewPseudoHeader) {
  const PacketBuilder builder = tcp(kA4, kB4).ack(1).payload("abc").partial_checksum();
  const Bytes after = rewritten(builder.build(), builder.vnet(), kNew4);
  EXPECT_EQ(get16(after, 36), naive_pseudo_sum(after, 6, 23));
}

TEST(Rewrite, WrongChecksumStaysWrong) {
  VnetHeader vouched;
  vouched.flags = VnetHeader::kDataValid;
  for (const auto& builder :
       {tcp(kA4, kB4).ack(1), udp(kA6, kB6), echo_request("10.0.0.1", "10.0.0.2", 1)}) {
    const Bytes before = PacketBuilder(builder).bad_transport_checksum().build();
    const Bytes after = rewritten(before, vouched, parsed(before, vouched).is_v4() ? kNew4 : kNew6);
    const auto packet = flows::parse(after, {});
    ASSERT_FALSE(packet);
    EXPECT_EQ(packet.error(), flows::Drop::kBadTransportChecksum);
  }
}

TEST(RewriteDeathTest, FragmentsAndEndsOfTheOtherFamilyAbort) {
  Bytes fragment = udp(kA4, kB4).fragment(0, true, 1).build();
  const Packet first = parsed(fragment);
  EXPECT_DEATH(rewrite(fragment, first, {}, kNew4), "CHECK failed");
  Bytes whole = udp(kA4, kB4).build();
  const Packet packet = parsed(whole);
  EXPECT_DEATH(rewrite(whole, packet, {}, kNew6), "CHECK failed");
}

// ---- clamp_mss ----

struct Clamped {
  Bytes bytes;
  unsigned checksum = 0;  // as found
  unsigned right = 0;     // as it ought to be
};

Clamped clamped(const PacketBuilder& builder, std::uint16_t mss_bytes) {
  Bytes bytes = builder.build();
  clamp_mss(bytes, parsed(bytes, builder.vnet()), builder.vnet(), mss_bytes);
  const std::size_t offset = builder.transport_offset();
  return {bytes, get16(bytes, offset + 16), naive_transport_checksum(bytes, offset, 6)};
}

Bytes options(std::initializer_list<unsigned> values) {
  Bytes bytes;
  for (const unsigned value : values) {
    test_support::put8(bytes, value);
  }
  return bytes;
}

TEST(ClampMss, LowersTheOptionOfASynAndOfItsAnswer) {
  for (const auto& builder : {tcp(kA4, kB4).syn().mss(1460), tcp(kA4, kB4).syn().ack(1).mss(1460),
                              tcp(kA6, kB6).syn().mss(1440), tcp(kA6, kB6).syn().mss(65535)}) {
    const Clamped result = clamped(builder, 1240);
    EXPECT_EQ(get16(result.bytes, builder.transport_offset() + 22), 1240u);
    EXPECT_EQ(result.checksum, result.right);
  }
}

TEST(ClampMss, LeavesAnOptionThatIsLowEnough) {
  for (const unsigned mss : {0U, 536U, 1239U, 1240U}) {
    const PacketBuilder builder = tcp(kA4, kB4).syn().mss(mss);
    EXPECT_EQ(clamped(builder, 1240).bytes, builder.build()) << mss;
  }
}

// Behind an odd number of no-operations, the halves of the value belong to two checksum words.
TEST(ClampMss, FindsTheOptionAtEveryOffset) {
  for (unsigned before = 0; before <= 36; ++before) {
    Bytes padding(before, std::byte{1});
    const PacketBuilder builder = tcp(kA4, kB4).syn().tcp_options(padding).mss(0xabcd);
    const Clamped result = clamped(builder, 0x0123);
    EXPECT_EQ(get16(result.bytes, 40 + before + 2), 0x0123u) << before;
    EXPECT_EQ(result.checksum, result.right) << before;
  }
}

TEST(ClampMss, PassesOverOtherOptions) {
  // SACK permitted, timestamps, window scale, then the MSS: as some stacks order them.
  const PacketBuilder builder =
      tcp(kA4, kB4)
          .syn()
          .tcp_options(options({4, 2, 8, 10, 0, 0, 0, 1, 2, 4, 255, 255, 3, 3, 7}))
          .mss(9000);
  const Clamped result = clamped(builder, 1460);
  EXPECT_EQ(get16(result.bytes, 40 + 17), 1460u);
  EXPECT_EQ(result.checksum, result.right);
}

TEST(ClampMss, LowersEachOfTwo) {
  const PacketBuilder builder = tcp(kA4, kB4).syn().mss(9000).mss(1460);
  const Clamped result = clamped(builder, 1240);
  EXPECT_EQ(get16(result.bytes, 42), 1240u);
  EXPECT_EQ(get16(result.bytes, 46), 1240u);
  EXPECT_EQ(result.checksum, result.right);
}

TEST(ClampMss, SynWithoutTheOptionIsLeftAlone) {
  for (const Bytes& other : {options({}), options({4, 2}), options({1, 1, 1, 1}),
                             options({0, 2, 4, 0xff, 0xff}),  // behind the end
                             options({0, 2, 2, 4, 0xff, 0xff})}) {
    const PacketBuilder builder = tcp(kA4, kB4).syn().tcp_options(other);
    EXPECT_EQ(clamped(builder, 1).bytes, builder.build());
  }
}

TEST(ClampMss, OptionsThatMakeNoSenseAreLeftAlone) {
  for (const Bytes& nonsense :
       {options({2, 3, 0xff, 0xff}),              // an MSS option of another length
        options({2, 6, 0xff, 0xff, 0xff, 0xff}),  // likewise
        options({8, 0, 2, 4, 0xff, 0xff, 1, 1}),  // a length of 0 would never end
        options({8, 1, 2, 4, 0xff, 0xff, 1, 1}),  // a length below its own two bytes
        options({8, 255, 2, 4, 0xff, 0xff, 1, 1}), options({1, 1, 2, 4}),
        options({1, 1, 1, 2})}) {  // cut
    const PacketBuilder builder = tcp(kA4, kB4).syn().tcp_options(nonsense);
    EXPECT_EQ(clamped(builder, 1).bytes, builder.build());
  }
}

TEST(ClampMss, OnlySynsAreTouched) {
  for (const auto& builder :
       {tcp(kA4, kB4).ack(1).mss(1460), tcp(kA4, kB4).syn().mss(1460).fragment(0, true, 1),
        udp(kA4, kB4).payload(options({0, 0, 0, 0, 2, 4, 5, 0xb4}))}) {
    Bytes bytes = builder.build();
    clamp_mss(bytes, parsed(bytes), {}, 536);
    EXPECT_EQ(bytes, builder.build());
  }
}

TEST(ClampMss, PartialChecksumDoesNotCoverTheOption) {
  const PacketBuilder builder = tcp(kA4, kB4).syn().mss(1460).partial_checksum();
  const Clamped result = clamped(builder, 1240);
  EXPECT_EQ(get16(result.bytes, 42), 1240u);
  EXPECT_EQ(result.checksum, naive_pseudo_sum(result.bytes, 6, 24));
}

}  // namespace
}  // namespace nat
