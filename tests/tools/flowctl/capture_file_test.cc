#include "tools/flowctl/capture_file.h"

#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"
#include "tests/support/pcapng_reader.h"

namespace flowctl {
namespace {

using gateway::CaptureRingReader;
using test_support::PcapngBlock;
using test_support::tcp;

// What is written stays in the output, which is never flushed.
class CaptureFileTest : public testing::Test {
 protected:
  CaptureFile file(CaptureFile::Limits limits = {}) {
    return CaptureFile(output_, limits, [](const gateway::CaptureRecord& record) {
      return CaptureFile::Names{"acme", "tunnel-" + std::to_string(record.tunnel)};
    });
  }
  static CaptureRingReader::Captured captured(const test_support::Packet& packet,
                                              const flows::VnetHeader& vnet = {},
                                              std::uint32_t wire_packets = 1) {
    return {.record = {.original_bytes = static_cast<std::uint32_t>(packet.size()),
                       .wire_packets = wire_packets,
                       .flow = 17,
                       .tunnel = 4,
                       .is_up = 1,
                       .is_inbound = 1,
                       .vnet = vnet},
            .packet = packet};
  }
  std::vector<PcapngBlock> blocks() {
    const auto read = test_support::read_pcapng(output_.text());
    EXPECT_TRUE(read);
    return read.value_or(std::vector<PcapngBlock>{});
  }

  Output output_{-1};
};

const auto kPacket = tcp("10.0.0.1:1", "192.0.2.1:80").ack(2).payload("hello").build();

TEST_F(CaptureFileTest, SaysWhosePacketItIsAndWhichWayItGoes) {
  CaptureFile mine = file();
  mine.add(captured(kPacket));
  const auto all = blocks();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[2].option(1), "flow=17 tenant=acme tunnel=tunnel-4 direction=up");
  EXPECT_EQ(test_support::little_endian(all[2].option(2)), 1U);
  EXPECT_EQ(test_support::packet_in(all[2]).size(), kPacket.size());
}

TEST_F(CaptureFileTest, EndsWhenItIsFull) {
  CaptureFile mine = file({.snap_bytes = 20, .count = 2});
  for (int i = 0; i < 5; ++i) {
    mine.add(captured(kPacket));
  }
  EXPECT_TRUE(mine.is_full());
  EXPECT_EQ(mine.written(), 2U);
  const auto all = blocks();
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(test_support::packet_in(all[3]).size(), 20U);
  EXPECT_EQ(test_support::little_endian(std::string_view(all[3].fixed).substr(16, 4)),
            kPacket.size());
}

// The gateway left that to us: each packet of the wire, with a checksum that is right.
TEST_F(CaptureFileTest, SuperSegmentIsCutIntoWhatTheWireCarried) {
  auto packet = tcp("10.0.0.1:1", "192.0.2.1:80").ack(2).payload(std::string(2'500, 'x')).build();
  test_support::set16(packet, 36, test_support::naive_pseudo_sum(packet, 6, packet.size() - 20));
  const flows::VnetHeader vnet{.flags = flows::VnetHeader::kNeedsChecksum,
                               .gso_type = flows::VnetHeader::kGsoTcpV4,
                               .header_bytes = 40,
                               .gso_bytes = 1000,
                               .checksum_start = 20,
                               .checksum_offset = 16};
  CaptureFile mine = file();
  mine.add(captured(packet, vnet, 3));
  mine.add(captured(packet, vnet, 2));  // the tunnel took no more
  const auto all = blocks();
  ASSERT_EQ(all.size(), 2U + 5U);
  for (std::size_t i = 2; i < all.size(); ++i) {
    const std::string bytes = test_support::packet_in(all[i]);
    EXPECT_EQ(bytes.size(), i == 4 ? 540U : 1040U);
    const auto segment = std::as_bytes(std::span(bytes));
    EXPECT_EQ(test_support::get16(segment, 36),
              test_support::naive_transport_checksum(segment, 20, 6));
  }
}

TEST_F(CaptureFileTest, NamesCannotBreakTheLine) {
  CaptureFile mine(output_, {}, [](const gateway::CaptureRecord&) {
    return CaptureFile::Names{"a\nb", "c\x1b[2J"};
  });
  mine.add(captured(kPacket));
  EXPECT_EQ(blocks().at(2).option(1), "flow=17 tenant=a?b tunnel=c?[2J direction=up");
}

}  // namespace
}  // namespace flowctl
