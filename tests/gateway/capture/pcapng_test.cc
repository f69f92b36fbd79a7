#include "gateway/capture/pcapng.h"

#include <string>

#include <gtest/gtest.h>

#include "tests/support/pcapng_reader.h"

namespace gateway::pcapng {
namespace {

using test_support::little_endian;
using test_support::PcapngBlock;

std::vector<PcapngBlock> blocks_of(const std::string& file) {
  auto blocks = test_support::read_pcapng(file);
  EXPECT_TRUE(blocks) << "not pcapng";
  return blocks.value_or(std::vector<PcapngBlock>{});
}

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// Byte for byte, as the draft shows it: what every other test stands on.
TEST(Pcapng, InterfaceIsLaidOutAsTheDraftSays) {
  std::string file;
  append_interface(file, {.name = "a", .description = "bcde", .snap_bytes = 96});
  const std::string expected(
      "\x01\x00\x00\x00\x30\x00\x00\x00"  // Interface Description, 48 bytes
      "\x65\x00\x00\x00\x60\x00\x00\x00"  // LINKTYPE_RAW, 96 bytes
      "\x02\x00\x01\x00\x61\x00\x00\x00"  // if_name
      "\x03\x00\x04\x00\x62\x63\x64\x65"  // if_description
      "\x09\x00\x01\x00\x09\x00\x00\x00"  // if_tsresol: nanoseconds
      "\x00\x00\x00\x00\x30\x00\x00\x00",
      48);
  EXPECT_EQ(file, expected);
}

TEST(Pcapng, SectionSaysItsByteOrderAndWhoWroteIt) {
  std::string file;
  append_section(file, "flowctl 1.2");
  const auto blocks = blocks_of(file);
  ASSERT_EQ(blocks.size(), 1U);
  EXPECT_EQ(blocks[0].type, 0x0a0d0d0aU);
  EXPECT_EQ(little_endian(std::string_view(blocks[0].fixed).substr(0, 4)), 0x1a2b3c4dU);
  EXPECT_EQ(little_endian(std::string_view(blocks[0].fixed).substr(4, 4)), 1U);  // 1.0
  EXPECT_EQ(blocks[0].option(4), "flowctl 1.2");
}

TEST(Pcapng, PacketHasItsTimeItsDirectionAndItsComment) {
  std::string file;
  append_packet(file, {.interface = 3,
                       .time_ns = 0x0123456789abcdef,
                       .bytes = bytes("hello"),
                       .original_bytes = 1400,
                       .direction = Direction::kOutbound,
                       .comment = "flow=17"});
  const auto blocks = blocks_of(file);
  ASSERT_EQ(blocks.size(), 1U);
  const PcapngBlock& block = blocks[0];
  const std::string_view fixed = block.fixed;
  EXPECT_EQ(block.type, 6U);
  EXPECT_EQ(little_endian(fixed.substr(0, 4)), 3U);
  EXPECT_EQ(little_endian(fixed.substr(4, 4)), 0x01234567U);
  EXPECT_EQ(little_endian(fixed.substr(8, 4)), 0x89abcdefU);
  EXPECT_EQ(little_endian(fixed.substr(16, 4)), 1400U);
  EXPECT_EQ(test_support::packet_in(block), "hello");
  EXPECT_EQ(little_endian(block.option(2)), 2U);
  EXPECT_EQ(block.option(1), "flow=17");
}

TEST(Pcapng, PacketWithoutOptionsHasNone) {
  std::string file;
  append_packet(file, {.bytes = bytes("abc"), .original_bytes = 3});
  const auto blocks = blocks_of(file);
  ASSERT_EQ(blocks.size(), 1U);
  EXPECT_TRUE(blocks[0].options.empty());
  EXPECT_EQ(file.size(), 8U + 20U + 4U + 4U);
}

TEST(Pcapng, StatisticsCountWhatWasDropped) {
  std::string file;
  append_statistics(file, {.time_ns = 7, .received = 12, .dropped = 5, .delivered = 7});
  const auto blocks = blocks_of(file);
  ASSERT_EQ(blocks.size(), 1U);
  EXPECT_EQ(little_endian(blocks[0].option(4)), 12U);
  EXPECT_EQ(little_endian(blocks[0].option(5)), 5U);
  EXPECT_EQ(little_endian(blocks[0].option(8)), 7U);
}

TEST(Pcapng, TextThatNoOptionHoldsIsCut) {
  std::string file;
  append_packet(file, {.comment = std::string(70'000, 'x')});
  EXPECT_EQ(blocks_of(file).at(0).option(1).size(), 65'535U);
}

}  // namespace
}  // namespace gateway::pcapng
