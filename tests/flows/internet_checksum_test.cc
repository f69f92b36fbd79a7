#include "flows/internet_checksum.h"

#include <array>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "flows/packet.h"
#include "tests/support/packet_builder.h"

namespace flows {
namespace {

using test_support::address;
using test_support::get16;
using test_support::naive_pseudo_sum;
using test_support::naive_sum;
using test_support::set16;

std::vector<std::byte> random_bytes(std::size_t size) {
  std::mt19937 random(1);  // the same bytes on every run
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) {
    byte = static_cast<std::byte>(random());
  }
  return bytes;
}

std::uint16_t naive_checksum(std::span<const std::byte> bytes) {
  return static_cast<std::uint16_t>(~naive_sum(bytes));
}

TEST(InternetChecksum, SumIsThatOfTheNaiveLoopAtEveryOffsetAndLength) {
  const auto bytes = random_bytes(160);
  for (std::size_t offset = 0; offset < 32; ++offset) {
    for (std::size_t length = 0; offset + length <= bytes.size(); ++length) {
      const auto piece = std::span(bytes).subspan(offset, length);
      ASSERT_EQ(fold(sum_of(piece)), naive_sum(piece)) << offset << " " << length;
    }
  }
}

TEST(InternetChecksum, EveryCarryOfALongSpanIsCounted) {
  const std::vector<std::byte> bytes(65535, std::byte{0xff});
  for (const std::size_t length : {65535U, 65534U, 65533U, 9U, 8U, 7U}) {
    const auto piece = std::span(bytes).first(length);
    EXPECT_EQ(sum_of(piece), naive_sum(piece)) << length;
  }
}

TEST(InternetChecksum, NothingAndZerosSumToZero) {
  EXPECT_EQ(sum_of({}), 0u);
  EXPECT_EQ(sum_of(std::vector<std::byte>(33)), 0u);
}

TEST(InternetChecksum, OddLastByteIsTheHighHalfOfAWord) {
  EXPECT_EQ(sum_of(std::array{std::byte{0x12}, std::byte{0x34}, std::byte{0x56}}), 0x6834u);
}

// The example of RFC 1071 section 3.
TEST(InternetChecksum, SumsTheExampleOfTheRfc) {
  const auto bytes = std::to_array<std::uint8_t>({0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7});
  EXPECT_EQ(sum_of(std::as_bytes(std::span(bytes))), 0xddf2u);
  EXPECT_EQ(checksum_of(0xddf2), 0x220d);
}

TEST(InternetChecksum, FoldAddsTheCarryOfTheCarryToo) {
  EXPECT_EQ(fold(0), 0);
  EXPECT_EQ(fold(0xffff), 0xffff);
  EXPECT_EQ(fold(0x10000), 1);
  EXPECT_EQ(fold(0x1ffff), 1);
  EXPECT_EQ(fold(0xffffffff), 0xffff);
}

TEST(InternetChecksum, PseudoHeaderIsThatOfTheFamily) {
  const auto v4 = test_support::tcp("10.1.2.3:1", "192.0.2.255:2").payload("x").build();
  const auto v6 = test_support::udp("[2001:db8::1]:1", "[fd00:ffff::2]:2").build();

  EXPECT_EQ(
      fold(pseudo_header_sum(address("10.1.2.3"), address("192.0.2.255"), Protocol::kTcp, 21)),
      naive_pseudo_sum(v4, 6, 21));
  EXPECT_EQ(fold(pseudo_header_sum(address("2001:db8::1"), address("fd00:ffff::2"), Protocol::kUdp,
                                   0x12345)),
            naive_pseudo_sum(v6, 17, 0x12345));
}

TEST(InternetChecksum, PseudoHeaderOfThePacketsBytesIsThatOfItsAddresses) {
  const auto v4 = test_support::tcp("10.1.2.3:1", "192.0.2.255:2").build();
  const auto v6 = test_support::udp("[2001:db8::1]:1", "[fd00:ffff::2]:2").build();

  EXPECT_EQ(fold(pseudo_header_sum(std::span(v4).subspan(12, 8), Protocol::kTcp, 20)),
            naive_pseudo_sum(v4, 6, 20));
  EXPECT_EQ(fold(pseudo_header_sum(std::span(v6).subspan(8, 32), Protocol::kUdp, 8)),
            naive_pseudo_sum(v6, 17, 8));
}

// The example of RFC 1624 section 4, where RFC 1141 comes out as 0xffff.
TEST(ChecksumChange, GivesTheRfcsExampleItsZero) {
  ChecksumChange change;
  change.replace(0x5555, 0x3285);
  EXPECT_EQ(change.applied_to(0xdd2f), 0x0000);
}

TEST(ChecksumChange, NoChangeLeavesEveryChecksumAlone) {
  for (unsigned checksum = 0; checksum < 0xffff; ++checksum) {
    ASSERT_EQ(ChecksumChange().applied_to(static_cast<std::uint16_t>(checksum)), checksum);
  }
}

TEST(ChecksumChange, ReplacedWordLeadsToTheChecksumOfTheNewBytes) {
  constexpr auto kEdges = std::to_array<std::uint16_t>({0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff});
  auto bytes = random_bytes(20);
  for (const std::uint16_t before : kEdges) {
    for (const std::uint16_t after : kEdges) {
      set16(bytes, 4, before);
      const std::uint16_t checksum = naive_checksum(bytes);
      ChecksumChange change;
      change.replace(before, after);
      set16(bytes, 4, after);
      EXPECT_EQ(change.applied_to(checksum), naive_checksum(bytes)) << before << " " << after;
    }
  }
}

TEST(ChecksumChange, WordAtAnOddOffsetCountsInTwoWords) {
  auto bytes = random_bytes(20);
  const std::uint16_t checksum = naive_checksum(bytes);
  ChecksumChange change;
  change.replace_at_odd_offset(static_cast<std::uint16_t>(get16(bytes, 7)), 0x1234);
  set16(bytes, 7, 0x1234);

  EXPECT_EQ(change.applied_to(checksum), naive_checksum(bytes));
}

TEST(ChecksumChange, ManyReplacedFieldsAddUp) {
  auto bytes = random_bytes(60);
  const auto after = random_bytes(120);
  const std::uint16_t checksum = naive_checksum(bytes);
  ChecksumChange change;
  for (const auto& [offset, size] : {std::pair{0U, 4U}, {4U, 4U}, {8U, 16U}, {24U, 16U}}) {
    const auto field = std::span(bytes).subspan(offset, size);
    const auto replacement = std::span(after).subspan(offset + 60, size);
    change.replace(field, replacement);
    std::copy(replacement.begin(), replacement.end(), field.begin());
  }

  EXPECT_EQ(change.applied_to(checksum), naive_checksum(bytes));
}

TEST(ChecksumChange, PartialChecksumFollowsThePseudoHeader) {
  const auto before =
      pseudo_header_sum(address("10.0.0.1"), address("10.0.0.2"), Protocol::kTcp, 9);
  const auto after = pseudo_header_sum(address("1.2.3.4"), address("10.0.0.2"), Protocol::kTcp, 9);
  ChecksumChange change;
  change.replace(address("10.0.0.1").wire_bytes(), address("1.2.3.4").wire_bytes());

  EXPECT_EQ(change.applied_to_partial(fold(before)), fold(after));
}

TEST(ChecksumChangeDeathTest, AddressesOfTwoFamiliesAbort) {
  ChecksumChange change;
  EXPECT_DEATH(change.replace(address("10.0.0.1").wire_bytes(), address("fd00::1").wire_bytes()),
               "CHECK failed");
}

}  // namespace
}  // namespace flows
