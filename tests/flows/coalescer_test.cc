#include "flows/coalescer.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace flows {
namespace {

using test_support::PacketBuilder;
using test_support::tcp;
using Bytes = test_support::Packet;

constexpr unsigned kAckPsh = TcpFlags::kAck | TcpFlags::kPsh;
constexpr std::size_t kSize = 100;  // payload of a segment
constexpr std::uint32_t kSequence = 1024;

// One write to the TUN, as the kernel sees it.
struct Written {
  VnetHeader vnet;
  Bytes bytes;
  std::size_t packets;
};

bool operator==(const VnetHeader& a, const VnetHeader& b) {
  return std::memcmp(&a, &b, sizeof(a)) == 0;
}

// A batch that is coalesced.
class Batch {
 public:
  Batch& add(const PacketBuilder& builder) { return add(builder.build(), builder.vnet()); }
  Batch& add(const Bytes& bytes, const VnetHeader& vnet = {}) {
    packets_.push_back({bytes, vnet});
    return *this;
  }

  std::vector<Written> write(Coalescer& coalescer) const {
    for (const auto& [bytes, vnet] : packets_) {
      coalescer.add(bytes, parse(bytes, vnet).value(), vnet);
    }
    std::vector<Written> writes;
    coalescer.flush([&](const Coalescer::Outgoing& out) { writes.push_back(read(out)); });
    return writes;
  }
  std::vector<Written> write() const {
    Coalescer coalescer;
    return write(coalescer);
  }

 private:
  struct Entry {
    Bytes bytes;
    VnetHeader vnet;
  };

  static Written read(const Coalescer::Outgoing& out) {
    Written written{.vnet = {}, .bytes = {}, .packets = out.packets()};
    EXPECT_EQ(out.pieces()[0].iov_len, sizeof(VnetHeader));
    std::memcpy(&written.vnet, out.pieces()[0].iov_base, sizeof(VnetHeader));
    EXPECT_TRUE(written.vnet == out.vnet());
    for (const iovec& piece : out.pieces().subspan(1)) {
      test_support::put(written.bytes,
                        {static_cast<const std::byte*>(piece.iov_base), piece.iov_len});
    }
    return written;
  }

  std::vector<Entry> packets_;
};

std::vector<std::size_t> packets_of(const std::vector<Written>& writes) {
  std::vector<std::size_t> packets;
  for (const Written& write : writes) {
    packets.push_back(write.packets);
  }
  return packets;
}

using Packets = std::vector<std::size_t>;

// A stream of a flow, cut into segments: the one that begins `place` bytes behind kSequence.
PacketBuilder v4_at(std::size_t place) {
  return tcp("10.0.0.1:40000", "192.0.2.1:443")
      .seq(kSequence + static_cast<std::uint32_t>(place))
      .ack(77);
}
PacketBuilder v6_at(std::size_t place) {
  return tcp("[fd00::1]:40000", "[2001:db8::2]:443")
      .seq(kSequence + static_cast<std::uint32_t>(place))
      .ack(77);
}
PacketBuilder v4_segment(std::size_t index) {
  return v4_at(index * kSize).payload(kSize);
}
PacketBuilder v6_segment(std::size_t index) {
  return v6_at(index * kSize).payload(kSize);
}
Bytes twice(const Bytes& bytes) {
  Bytes both = bytes;
  test_support::put(both, bytes);
  return both;
}

// What two segments become, but for its payload.
PacketBuilder merged(const PacketBuilder& first, const Bytes& payload, std::uint8_t type) {
  return PacketBuilder(first).payload(payload).gso(type, kSize);
}

const Bytes& one_payload() {
  static const Bytes payload = [] {
    const Bytes packet = v4_segment(0).build();
    return Bytes(packet.end() - kSize, packet.end());
  }();
  return payload;
}

TEST(Coalescer, AdjacentIpv4SegmentsBecomeOneSuperSegment) {
  const auto writes = Batch().add(v4_segment(0)).add(v4_segment(1)).write();

  const auto expected = merged(v4_at(0), twice(one_payload()), VnetHeader::kGsoTcpV4);
  ASSERT_EQ(packets_of(writes), Packets{2});
  EXPECT_EQ(writes[0].bytes, expected.build());
  EXPECT_TRUE(writes[0].vnet == expected.vnet());
  EXPECT_TRUE(parse(writes[0].bytes, writes[0].vnet));
}

TEST(Coalescer, AdjacentIpv6SegmentsBecomeOneSuperSegment) {
  const auto writes = Batch().add(v6_segment(0)).add(v6_segment(1)).write();

  const auto expected = merged(v6_at(0), twice(one_payload()), VnetHeader::kGsoTcpV6);
  ASSERT_EQ(packets_of(writes), Packets{2});
  EXPECT_EQ(writes[0].bytes, expected.build());
  EXPECT_TRUE(writes[0].vnet == expected.vnet());
  EXPECT_TRUE(parse(writes[0].bytes, writes[0].vnet));
}

TEST(Coalescer, SegmentsWithEqualOptionsMerge) {
  const Bytes options(12, std::byte{1});
  const auto writes = Batch()
                          .add(v4_segment(0).tcp_options(options))
                          .add(v4_segment(1).tcp_options(options))
                          .write();

  ASSERT_EQ(packets_of(writes), Packets{2});
  EXPECT_EQ(
      writes[0].bytes,
      merged(v4_at(0).tcp_options(options), twice(one_payload()), VnetHeader::kGsoTcpV4).build());
}

TEST(Coalescer, SegmentsWithAndWithoutOptionsDoNotMerge) {
  const Bytes options(12, std::byte{1});
  const auto with = [&](std::size_t index) { return v4_segment(index).tcp_options(options); };

  EXPECT_EQ(packets_of(Batch().add(with(0)).add(v4_segment(1)).write()), (Packets{1, 1}));
  EXPECT_EQ(packets_of(Batch().add(v4_segment(0)).add(with(1)).write()), (Packets{1, 1}));
}

TEST(Coalescer, IpIdIsNotComparedAndThatOfTheFirstSegmentStays) {
  const auto writes = Batch().add(v4_segment(0).id(7)).add(v4_segment(1).id(3)).write();

  ASSERT_EQ(packets_of(writes), Packets{2});
  EXPECT_EQ(test_support::get16(writes[0].bytes, 4), 7u);
}

TEST(Coalescer, SequenceNumberMayWrap) {
  const auto first = v4_at(0).seq(0xffffffff).payload(kSize);
  const auto second = v4_at(0).seq(kSize - 1).payload(kSize);

  EXPECT_EQ(packets_of(Batch().add(first).add(second).write()), Packets{2});
}

TEST(Coalescer, ShorterSegmentEndsItsGroup) {
  const auto writes = Batch()
                          .add(v4_segment(0))
                          .add(v4_at(kSize).payload(30))
                          .add(v4_at(kSize + 30).payload(30))
                          .write();

  EXPECT_EQ(packets_of(writes), (Packets{2, 1}));
  EXPECT_EQ(writes[0].vnet.gso_bytes, kSize);
}

TEST(Coalescer, LongerSegmentBeginsAGroupOfItsOwn) {
  const auto writes = Batch()
                          .add(v4_at(0).payload(30))
                          .add(v4_at(30).payload(31))
                          .add(v4_at(61).payload(31))
                          .write();

  EXPECT_EQ(packets_of(writes), (Packets{1, 2}));
}

TEST(Coalescer, PshEndsTheGroupAndIsKept) {
  const auto writes = Batch()
                          .add(v4_segment(0))
                          .add(v4_segment(1).flags(kAckPsh))
                          .add(v4_segment(2))
                          .add(v4_segment(3))
                          .write();

  ASSERT_EQ(packets_of(writes), (Packets{2, 2}));
  EXPECT_EQ(parse(writes[0].bytes, writes[0].vnet).value().tcp_flags.bits, kAckPsh);
  EXPECT_EQ(parse(writes[1].bytes, writes[1].vnet).value().tcp_flags.bits, TcpFlags::kAck);
}

TEST(Coalescer, NothingJoinsASegmentThatPushes) {
  const auto writes = Batch().add(v4_segment(0).flags(kAckPsh)).add(v4_segment(1)).write();

  EXPECT_EQ(packets_of(writes), (Packets{1, 1}));
}

TEST(Coalescer, SuperSegmentNeverExceedsTheIpv4Length) {
  constexpr std::size_t kPayload = 1400;
  for (const auto at : {v4_at, v6_at}) {
    Batch batch;
    for (std::size_t i = 0; i < 50; ++i) {
      batch.add(at(i * kPayload).payload(kPayload));
    }

    EXPECT_EQ(packets_of(batch.write()), (Packets{46, 4}));  // 46 * 1400 + 60 < 65536
  }
}

TEST(Coalescer, SegmentsMayFillTheIpv4LengthExactly) {
  const auto writes = Batch().add(v4_at(0).payload(32748)).add(v4_at(32748).payload(32747)).write();

  ASSERT_EQ(packets_of(writes), Packets{2});
  EXPECT_EQ(writes[0].bytes.size(), 65535u);
}

// Two segments that are alike but for one thing.
struct Difference {
  const char* name;
  PacketBuilder first;
  std::function<void(Bytes&)> change;  // of the second; the checksums follow
};

std::ostream& operator<<(std::ostream& out, const Difference& difference) {
  return out << difference.name;
}

PacketBuilder with_options() {
  const Bytes options(12, std::byte{1});
  return v4_segment(0).tcp_options(options);
}

void xor_byte(Bytes& bytes, std::size_t offset, unsigned bits) {
  bytes[offset] ^= static_cast<std::byte>(bits);
}

class DifferentSegments : public testing::TestWithParam<Difference> {};

TEST_P(DifferentSegments, AreNotMerged) {
  const Bytes first = GetParam().first.build();
  const std::size_t transport = GetParam().first.transport_offset();
  Bytes second = first;
  xor_byte(second, transport + 7, (kSequence & 0xffU) ^ ((kSequence + kSize) & 0xffU));
  test_support::fix_checksums(second, transport, test_support::kTcp);
  Bytes changed = second;
  GetParam().change(changed);
  test_support::fix_checksums(changed, transport, test_support::kTcp);

  EXPECT_EQ(packets_of(Batch().add(first).add(second).write()), Packets{2});
  EXPECT_EQ(packets_of(Batch().add(first).add(changed).write()), (Packets{1, 1}));
  EXPECT_EQ(Batch().add(first).add(changed).write()[1].bytes, changed);
}

Difference differs(const char* name, const PacketBuilder& first, std::size_t offset,
                   unsigned bits = 1) {
  return {name, first, [=](Bytes& bytes) { xor_byte(bytes, offset, bits); }};
}

INSTANTIATE_TEST_SUITE_P(
    Coalescer, DifferentSegments,
    testing::Values(
        differs("V4Tos", v4_segment(0), 1), differs("V4Ecn", v4_segment(0), 1, 3),
        differs("V4DontFragment", v4_segment(0), 6, 0x40),
        differs("V4ReservedBit", v4_segment(0), 6, 0x80), differs("V4Ttl", v4_segment(0), 8),
        differs("V4Source", v4_segment(0), 15), differs("V4Destination", v4_segment(0), 19),
        differs("V6TrafficClass", v6_segment(0), 1, 0x10), differs("V6FlowLabel", v6_segment(0), 3),
        differs("V6HopLimit", v6_segment(0), 7), differs("V6Source", v6_segment(0), 23),
        differs("V6Destination", v6_segment(0), 39), differs("SourcePort", v4_segment(0), 21),
        differs("DestinationPort", v4_segment(0), 23), differs("SequenceGap", v4_segment(0), 27),
        differs("Ack", v4_segment(0), 31), differs("ReservedTcpBits", v4_segment(0), 32),
        differs("Window", v4_segment(0), 35), differs("UrgentPointer", v4_segment(0), 39),
        // Each field to its other end.
        differs("V4SourceBegin", v4_segment(0), 12), differs("V6SourceBegin", v6_segment(0), 8),
        differs("V6DestinationBegin", v6_segment(0), 24),
        differs("V6FlowLabelBegin", v6_segment(0), 1),
        differs("SourcePortBegin", v4_segment(0), 20), differs("AckBegin", v4_segment(0), 28),
        differs("WindowBegin", v4_segment(0), 34), differs("UrgentPointerBegin", v4_segment(0), 38),
        differs("Options", with_options(), 40), differs("LastOption", with_options(), 51),
        differs("Fin", v4_segment(0), 33, TcpFlags::kFin),
        differs("Rst", v4_segment(0), 33, TcpFlags::kRst),
        differs("Syn", v4_segment(0), 33, TcpFlags::kSyn),
        differs("Urg", v4_segment(0), 33, TcpFlags::kUrg),
        differs("Ece", v4_segment(0), 33, TcpFlags::kEce),
        differs("Cwr", v4_segment(0), 33, TcpFlags::kCwr)),
    [](const auto& tested) { return std::string(tested.param.name); });

// What both segments have, so that there is no difference that could keep them apart.
TEST(Coalescer, SegmentsThatNeverMerge) {
  const struct {
    const char* name;
    PacketBuilder builder;
  } cases[] = {
      {"IPv4 options", v4_at(0).ip_options(Bytes(4, std::byte{1}))},
      {"IPv6 extension header", v6_at(0).extension(60)},
      {"first fragment", v4_at(0).fragment(0, true, 9)},
      {"last fragment", v4_at(0).fragment(8, false, 9)},
      {"IPv6 fragment", v6_at(0).fragment(0, true, 9)},
      {"partial checksum", v4_at(0).partial_checksum()},
      {"super-segment", v4_at(0).gso(VnetHeader::kGsoTcpV4, 50)},
      {"no ACK", v4_at(0).flags(TcpFlags::kPsh)},
      {"UDP", test_support::udp("10.0.0.1:1", "10.0.0.2:2")},
  };
  for (const auto& [name, builder] : cases) {
    const auto writes = Batch()
                            .add(PacketBuilder(builder).seq(kSequence).payload(kSize))
                            .add(PacketBuilder(builder).seq(kSequence + kSize).payload(kSize))
                            .write();

    EXPECT_EQ(packets_of(writes), (Packets{1, 1})) << name;

    const auto mixed = Batch()
                           .add(PacketBuilder(builder).seq(kSequence).payload(kSize))
                           .add(v4_segment(1))
                           .add(v6_segment(1))
                           .write();

    EXPECT_EQ(packets_of(mixed), (Packets{1, 1, 1})) << name << ", then a plain segment";
  }
}

// Enough addresses and ports for some to share a bucket.
TEST(Coalescer, FlowsThatShareABucketAreKeptApart) {
  Coalescer coalescer;
  for (int i = 2; i < 800; ++i) {
    const std::string host = "10.0." + std::to_string(i / 250) + "." + std::to_string(1 + i % 250);
    const auto other_address = tcp(host + ":40000", "192.0.2.1:443");
    const auto other_port = tcp("10.0.0.1:" + std::to_string(i), "192.0.2.1:443");
    for (PacketBuilder other : {other_address, other_port}) {
      other.ack(77).seq(kSequence + kSize).payload(kSize);
      ASSERT_EQ(packets_of(Batch().add(v4_segment(0)).add(other).write(coalescer)), (Packets{1, 1}))
          << i;
    }
  }
}

TEST(Coalescer, SegmentsWhoseChecksumsWereNotVerifiedAreNotMerged) {
  const VnetHeader vouched{.flags = VnetHeader::kDataValid};
  const auto writes =
      Batch().add(v4_segment(0).build(), vouched).add(v4_segment(1).build(), vouched).write();

  EXPECT_EQ(packets_of(writes), (Packets{1, 1}));
}

TEST(Coalescer, PureAcksAreNotMerged) {
  EXPECT_EQ(packets_of(Batch().add(v4_at(0)).add(v4_at(0)).write()), (Packets{1, 1}));
}

TEST(Coalescer, PureAckOrFinIsNotOvertakenByWhatFollowsIt) {
  for (const auto& between : {v4_at(kSize), v4_at(kSize).fin(), v4_segment(1).fin()}) {
    const auto writes =
        Batch().add(v4_segment(0)).add(between).add(v4_segment(1)).add(v4_segment(2)).write();

    ASSERT_EQ(packets_of(writes), (Packets{1, 1, 2}));
    EXPECT_EQ(writes[1].bytes, between.build());
  }
}

TEST(Coalescer, FinFollowsTheSuperSegmentOfItsFlow) {
  const auto fin = v4_at(2 * kSize).fin();
  const auto writes = Batch().add(v4_segment(0)).add(v4_segment(1)).add(fin).write();

  ASSERT_EQ(packets_of(writes), (Packets{2, 1}));
  EXPECT_EQ(writes[1].bytes, fin.build());
}

// A fragment does not say which flow it is of.
TEST(Coalescer, FragmentIsNotOvertaken) {
  const auto writes = Batch()
                          .add(v4_segment(0))
                          .add(v4_segment(1).fragment(8, false, 9))
                          .add(v4_segment(1))
                          .write();

  EXPECT_EQ(packets_of(writes), (Packets{1, 1, 1}));
}

TEST(Coalescer, InterleavedFlowsMergeEachWithItself) {
  const auto other = [](std::size_t index) {
    return tcp("10.0.0.1:40001", "192.0.2.1:443")
        .seq(static_cast<std::uint32_t>(index * kSize))
        .ack(1)
        .payload(kSize);
  };
  Batch batch;
  for (std::size_t i = 0; i < 3; ++i) {
    batch.add(v4_segment(i)).add(other(i)).add(v6_segment(i));
    batch.add(test_support::udp("10.0.0.1:40000", "192.0.2.1:443").payload(i));
  }

  EXPECT_EQ(packets_of(batch.write()), (Packets{3, 3, 3, 1, 1, 1}));
}

TEST(Coalescer, FullBatchOfManyFlowsMerges) {
  Batch batch;
  for (std::size_t i = 0; i < Coalescer::kMaxPackets; ++i) {
    const std::string source = "10.0.0.1:" + std::to_string(1000 + i % 64);
    batch.add(tcp(source, "192.0.2.1:443").ack(1).seq(i / 64 == 0 ? 0 : kSize).payload(kSize));
  }

  EXPECT_EQ(packets_of(batch.write()), Packets(64, 2));
}

TEST(Coalescer, FullBatchOfOneFlowIsOneWrite) {
  Batch batch;
  for (std::size_t i = 0; i < Coalescer::kMaxPackets; ++i) {
    batch.add(v4_segment(i));
  }

  EXPECT_EQ(packets_of(batch.write()), Packets{Coalescer::kMaxPackets});
}

// What tailscale#19820 got wrong: the offload header of an earlier write before a plain packet.
TEST(Coalescer, PacketThatDidNotMergeGoesOutUntouchedWithAZeroedVnetHeader) {
  Coalescer coalescer;
  ASSERT_EQ(packets_of(Batch().add(v4_segment(0)).add(v4_segment(1)).write(coalescer)), Packets{2});

  const auto writes = Batch().add(v4_segment(2)).add(v6_segment(0)).write(coalescer);

  ASSERT_EQ(packets_of(writes), (Packets{1, 1}));
  EXPECT_EQ(writes[0].bytes, v4_segment(2).build());
  EXPECT_EQ(writes[1].bytes, v6_segment(0).build());
  EXPECT_TRUE(writes[0].vnet == VnetHeader{});
  EXPECT_TRUE(writes[1].vnet == VnetHeader{});
}

TEST(Coalescer, PacketThatCameWithOffloadKeepsItsOffloadHeader) {
  const auto super = v4_at(0).payload(2500).gso(VnetHeader::kGsoTcpV4, 1000);
  const auto partial = v6_segment(0).partial_checksum();

  const auto writes = Batch().add(super).add(partial).write();

  ASSERT_EQ(packets_of(writes), (Packets{1, 1}));
  EXPECT_TRUE(writes[0].vnet == super.vnet());
  EXPECT_TRUE(writes[1].vnet == partial.vnet());
  EXPECT_EQ(writes[0].bytes, super.build());
}

TEST(Coalescer, BatchesDoNotMergeWithEachOther) {
  Coalescer coalescer;
  Batch().add(v4_segment(0)).write(coalescer);

  EXPECT_TRUE(coalescer.empty());
  EXPECT_EQ(packets_of(Batch().add(v4_segment(1)).write(coalescer)), Packets{1});
}

TEST(Coalescer, FlowIsReadFromTheBytesWhenNatHasMadeTheParseStale) {
  const Bytes before = v4_segment(0).build();
  const Packet stale = parse(before, {}).value();
  const auto after = [](std::size_t index) {
    return tcp("198.18.0.9:1024", "198.18.0.1:443")
        .seq(static_cast<std::uint32_t>(kSequence + index * kSize))
        .ack(77)
        .payload(kSize)
        .build();
  };
  const Bytes first = after(0);
  const Bytes second = after(1);
  Coalescer coalescer;
  coalescer.add(first, stale, {});
  coalescer.add(second, parse(second, {}).value(), {});

  std::size_t writes = 0;
  coalescer.flush([&](const Coalescer::Outgoing&) { ++writes; });
  EXPECT_EQ(writes, 1u);
}

// For a kernel that refuses the super-segment (tailscale#13041).
TEST(Coalescer, PacketsOfASuperSegmentCanStillBeWrittenOneByOne) {
  const Bytes first = v4_segment(0).build();
  const Bytes second = v4_segment(1).build();
  Coalescer coalescer;
  coalescer.add(first, parse(first, {}).value(), {});
  coalescer.add(second, parse(second, {}).value(), {});

  std::vector<Bytes> packets;
  coalescer.flush([&](const Coalescer::Outgoing& out) {
    out.each_packet([&](std::span<const std::byte> bytes) {
      packets.emplace_back(bytes.begin(), bytes.end());
    });
  });

  EXPECT_EQ(packets, (std::vector<Bytes>{v4_segment(0).build(), v4_segment(1).build()}));
}

TEST(CoalescerDeathTest, AddingToAFullBatchAborts) {
  const Bytes bytes = v4_segment(0).build();
  const Packet packet = parse(bytes, {}).value();
  Coalescer coalescer;
  while (!coalescer.full()) {
    coalescer.add(bytes, packet, {});
  }

  EXPECT_DEATH(coalescer.add(bytes, packet, {}), "CHECK failed");
}

}  // namespace
}  // namespace flows
