#include "flows/segmenter.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace flows {
namespace {

using test_support::PacketBuilder;
using test_support::tcp;
using test_support::udp;
using Bytes = test_support::Packet;

constexpr std::uint8_t kAck = TcpFlags::kAck;
constexpr std::uint32_t kFirstSequence = 1000;

std::vector<Bytes> cut(std::span<const std::byte> bytes, const Packet& packet,
                       const VnetHeader& vnet) {
  Segmenter segmenter(bytes, packet, vnet);
  std::vector<Bytes> segments;
  Bytes out(longest_segment_bytes(packet, vnet));
  while (const auto size = segmenter.next(out)) {
    segments.emplace_back(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(*size));
  }
  EXPECT_EQ(segments.size(), segmenter.count());
  return segments;
}

std::vector<Bytes> cut(const PacketBuilder& builder) {
  const Bytes bytes = builder.build();
  return cut(bytes, parse(bytes, builder.vnet()).value(), builder.vnet());
}

// The part of payload(size) that begins at `offset`.
Bytes payload_part(std::size_t offset, std::size_t size) {
  Bytes part;
  for (std::size_t i = offset; i < offset + size; ++i) {
    test_support::put8(part, static_cast<unsigned>(i * 7 + 1));
  }
  return part;
}

PacketBuilder v4_tcp() {
  return tcp("10.0.0.1:40000", "192.0.2.1:443").seq(kFirstSequence).ack(77).id(500);
}
PacketBuilder v6_tcp() {
  return tcp("[fd00::1]:40000", "[2001:db8::2]:443").seq(kFirstSequence).ack(77);
}

TEST(Segmenter, CutsAnIpv4SuperSegment) {
  const auto segments = cut(v4_tcp().payload(2500).gso(VnetHeader::kGsoTcpV4, 1000));

  ASSERT_EQ(segments.size(), 3u);
  EXPECT_EQ(segments[0], v4_tcp().payload(payload_part(0, 1000)).build());
  EXPECT_EQ(segments[1],
            v4_tcp().id(501).seq(kFirstSequence + 1000).payload(payload_part(1000, 1000)).build());
  EXPECT_EQ(segments[2],
            v4_tcp().id(502).seq(kFirstSequence + 2000).payload(payload_part(2000, 500)).build());
}

TEST(Segmenter, CutsAnIpv6SuperSegment) {
  const auto segments = cut(v6_tcp().payload(1999).gso(VnetHeader::kGsoTcpV6, 1000));

  ASSERT_EQ(segments.size(), 2u);
  EXPECT_EQ(segments[0], v6_tcp().payload(payload_part(0, 1000)).build());
  EXPECT_EQ(segments[1],
            v6_tcp().seq(kFirstSequence + 1000).payload(payload_part(1000, 999)).build());
}

TEST(Segmenter, PayloadThatIsAMultipleOfTheSegmentHasNoEmptySegmentBehindIt) {
  EXPECT_EQ(cut(v4_tcp().payload(3000).gso(VnetHeader::kGsoTcpV4, 1000)).size(), 3u);
}

TEST(Segmenter, RepeatsTcpOptionsIpv4OptionsAndExtensionHeadersInEverySegment) {
  const Bytes timestamps{std::byte{8}, std::byte{10}, std::byte{1}, std::byte{2}, std::byte{3},
                         std::byte{4}, std::byte{5},  std::byte{6}, std::byte{7}, std::byte{8}};
  const Bytes router_alert{std::byte{0x94}, std::byte{4}, std::byte{0}, std::byte{0}};
  const auto v4 = [&] { return v4_tcp().ip_options(router_alert).tcp_options(timestamps); };
  const auto v6 = [&] { return v6_tcp().extension(60, std::size_t{2}).tcp_options(timestamps); };

  const auto v4_segments = cut(v4().payload(15).gso(VnetHeader::kGsoTcpV4, 10));
  const auto v6_segments = cut(v6().payload(15).gso(VnetHeader::kGsoTcpV6, 10));

  ASSERT_EQ(v4_segments.size(), 2u);
  EXPECT_EQ(v4_segments[1],
            v4().id(501).seq(kFirstSequence + 10).payload(payload_part(10, 5)).build());
  ASSERT_EQ(v6_segments.size(), 2u);
  EXPECT_EQ(v6_segments[1], v6().seq(kFirstSequence + 10).payload(payload_part(10, 5)).build());
}

TEST(Segmenter, KeepsFinAndPshForTheLastSegmentAndCwrForTheFirst) {
  constexpr std::uint8_t kAll = kAck | TcpFlags::kFin | TcpFlags::kPsh | TcpFlags::kCwr;
  const auto segments =
      cut(v4_tcp().flags(kAll).payload(30).gso(VnetHeader::kGsoTcpV4 | VnetHeader::kGsoEcn, 10));

  ASSERT_EQ(segments.size(), 3u);
  EXPECT_EQ(parse(segments[0], {}).value().tcp_flags.bits, kAck | TcpFlags::kCwr);
  EXPECT_EQ(parse(segments[1], {}).value().tcp_flags.bits, kAck);
  EXPECT_EQ(parse(segments[2], {}).value().tcp_flags.bits, kAck | TcpFlags::kFin | TcpFlags::kPsh);
}

TEST(Segmenter, SequenceNumberAndIpIdWrap) {
  const auto segments =
      cut(v4_tcp().seq(0xfffffff8).id(0xffff).payload(20).gso(VnetHeader::kGsoTcpV4, 10));

  ASSERT_EQ(segments.size(), 2u);
  EXPECT_EQ(segments[1], v4_tcp().seq(2).id(0).payload(payload_part(10, 10)).build());
}

TEST(Segmenter, SuperSegmentThatFitsOneSegmentIsOnePacketWithACompleteChecksum) {
  const auto segments =
      cut(v4_tcp().flags(kAck | TcpFlags::kPsh).payload(9).gso(VnetHeader::kGsoTcpV4, 10));

  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(segments[0], v4_tcp().flags(kAck | TcpFlags::kPsh).payload(9).build());
}

TEST(Segmenter, CutsAUdpSuperDatagramIntoDatagrams) {
  const auto v4 = [] { return udp("10.0.0.1:40000", "192.0.2.1:443").id(500); };
  const auto v6 = [] { return udp("[fd00::1]:40000", "[fd00::2]:443"); };

  const auto v4_datagrams = cut(v4().payload(25).gso(VnetHeader::kGsoUdpL4, 10));
  const auto v6_datagrams = cut(v6().payload(25).gso(VnetHeader::kGsoUdpL4, 10));

  ASSERT_EQ(v4_datagrams.size(), 3u);
  EXPECT_EQ(v4_datagrams[0], v4().payload(payload_part(0, 10)).build());
  EXPECT_EQ(v4_datagrams[2], v4().id(502).payload(payload_part(20, 5)).build());
  ASSERT_EQ(v6_datagrams.size(), 3u);
  EXPECT_EQ(v6_datagrams[2], v6().payload(payload_part(20, 5)).build());
}

// The header length of the offload header is a hint: peers leave it 0.
TEST(Segmenter, DoesNotNeedTheHeaderLengthOfTheOffloadHeader) {
  const auto builder = v4_tcp().payload(20).gso(VnetHeader::kGsoTcpV4, 10);
  const Bytes bytes = builder.build();
  VnetHeader vnet = builder.vnet();
  vnet.header_bytes = 0;

  EXPECT_EQ(cut(bytes, parse(bytes, vnet).value(), vnet), cut(builder));
}

TEST(Segmenter, TakesTheAddressesFromTheBytesWhenNatHasMadeTheParseStale) {
  const auto builder = v4_tcp().payload(20).gso(VnetHeader::kGsoTcpV4, 10);
  Bytes bytes = builder.build();
  const Packet packet = parse(bytes, builder.vnet()).value();
  const auto renamed = tcp("198.18.0.9:1024", "198.18.0.1:443").seq(kFirstSequence).ack(77).id(500);
  Bytes other = PacketBuilder(renamed).payload(20).gso(VnetHeader::kGsoTcpV4, 10).build();

  const auto segments = cut(other, packet, builder.vnet());

  ASSERT_EQ(segments.size(), 2u);
  EXPECT_EQ(segments[0], PacketBuilder(renamed).payload(payload_part(0, 10)).build());
}

TEST(Segmenter, PacketThatIsNoSuperSegmentComesOutWhole) {
  const auto complete = v4_tcp().payload(100);
  const auto no_checksum = udp("10.0.0.1:1", "10.0.0.2:2").payload(5).no_checksum();
  const auto ping = test_support::echo_request("10.0.0.1", "10.0.0.2", 7).payload(5);
  const auto fragment = udp("10.0.0.1:1", "10.0.0.2:2").payload(5).fragment(1480, true, 9);

  for (const auto& builder : {complete, no_checksum, ping, fragment}) {
    EXPECT_EQ(cut(builder), std::vector<Bytes>{builder.build()});
  }
}

TEST(Segmenter, PartialChecksumOfAPacketThatIsNoSuperSegmentIsCompleted) {
  EXPECT_EQ(cut(v6_tcp().payload(101).partial_checksum()),
            std::vector<Bytes>{v6_tcp().payload(101).build()});
}

TEST(SegmenterDeathTest, BufferShorterThanTheSegmentAborts) {
  const auto builder = v4_tcp().payload(20).gso(VnetHeader::kGsoTcpV4, 10);
  const Bytes bytes = builder.build();
  const Packet packet = parse(bytes, builder.vnet()).value();
  Segmenter segmenter(bytes, packet, builder.vnet());
  Bytes out(longest_segment_bytes(packet, builder.vnet()) - 1);

  EXPECT_DEATH(segmenter.next(out), "CHECK failed");
}

Bytes completed(const PacketBuilder& builder) {
  Bytes bytes = builder.build();
  const Packet packet = parse(bytes, builder.vnet()).value();
  complete_checksum(bytes, packet, builder.vnet());
  return bytes;
}

TEST(CompleteChecksum, CompletesTcpAndUdpInBothFamilies) {
  for (const auto& builder :
       {v4_tcp().payload(33), v6_tcp().payload(33), udp("10.0.0.1:1", "10.0.0.2:2").payload(33),
        udp("[fd00::1]:1", "[fd00::2]:2").payload(33)}) {
    EXPECT_EQ(completed(PacketBuilder(builder).partial_checksum()), builder.build());
  }
}

TEST(CompleteChecksum, LeavesACompleteOneAlone) {
  const auto no_checksum = udp("10.0.0.1:1", "10.0.0.2:2").payload(5).no_checksum();

  EXPECT_EQ(completed(no_checksum), no_checksum.build());
}

// 0 would mean that there is none (RFC 768).
TEST(CompleteChecksum, UdpChecksumThatComesOutAsZeroIsAllOnes) {
  const auto plain = [] { return udp("10.0.0.1:1", "10.0.0.2:2"); };
  const std::array<std::byte, 2> zero{};
  const Bytes probe = plain().payload(zero).build();
  // A payload word equal to the checksum without it brings the sum to 0xffff.
  const std::array<std::byte, 2> word{probe[26], probe[27]};

  const Bytes bytes = completed(plain().payload(word).partial_checksum());

  EXPECT_EQ(test_support::get16(bytes, 26), 0xffffu);
}

WireCount counted(const PacketBuilder& builder) {
  return wire_count(parse(builder.build(), builder.vnet()).value(), builder.vnet());
}

TEST(WireCountOf, SuperSegmentCountsAsItsSegmentsWithTheirHeaders) {
  const WireCount count = counted(v4_tcp().payload(2500).gso(VnetHeader::kGsoTcpV4, 1000));

  EXPECT_EQ(count.packets, 3u);
  EXPECT_EQ(count.bytes, 2500u + 3 * 40);
}

TEST(WireCountOf, UdpSuperDatagramCountsAsItsDatagrams) {
  const WireCount count =
      counted(udp("[fd00::1]:1", "[fd00::2]:2").payload(2000).gso(VnetHeader::kGsoUdpL4, 1000));

  EXPECT_EQ(count.packets, 2u);
  EXPECT_EQ(count.bytes, 2000u + 2 * 48);
}

TEST(WireCountOf, EverythingElseCountsOnce) {
  for (const auto& builder :
       {v4_tcp(), v4_tcp().payload(1400), v4_tcp().payload(9).gso(VnetHeader::kGsoTcpV4, 10),
        v4_tcp().gso(VnetHeader::kGsoTcpV4, 10)}) {
    const WireCount count = counted(builder);
    EXPECT_EQ(count.packets, 1u);
    EXPECT_EQ(count.bytes, builder.build().size());
  }
}

TEST(LongestSegmentBytes, IsWhatGoesOnTheWire) {
  const auto longest = [](const PacketBuilder& builder) {
    return longest_segment_bytes(parse(builder.build(), builder.vnet()).value(), builder.vnet());
  };

  EXPECT_EQ(longest(v4_tcp().payload(2500).gso(VnetHeader::kGsoTcpV4, 1000)), 1040u);
  EXPECT_EQ(longest(v4_tcp().payload(9).gso(VnetHeader::kGsoTcpV4, 10)), 49u);
  EXPECT_EQ(longest(v4_tcp().payload(2500)), 2540u);
}

}  // namespace
}  // namespace flows
