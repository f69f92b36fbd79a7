#include "flows/gue.h"

#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "base/check.h"

namespace flows {
namespace {

using Bytes = std::vector<std::byte>;

// "00 04 00 00": spaces do not count.
Bytes bytes(std::string_view hex) {
  Bytes out;
  std::string digits;
  for (const char c : hex) {
    if (c != ' ') {
      digits += c;
    }
    if (digits.size() == 2) {
      out.push_back(static_cast<std::byte>(std::stoul(digits, nullptr, 16)));
      digits.clear();
    }
  }
  CHECK(digits.empty());
  return out;
}

struct Vector {
  std::string name;
  std::string hex;
  std::optional<Drop> drop;  // or else:
  bool bare = false;
  std::optional<std::uint32_t> tenant{};
  std::size_t header_bytes = 0;
};
void PrintTo(const Vector& vector, std::ostream* stream) {
  *stream << vector.hex;
}

class GueVectors : public testing::TestWithParam<Vector> {};

TEST_P(GueVectors, DecodeAsStated) {
  const Vector& vector = GetParam();
  const auto decoded = decode_gue(bytes(vector.hex));
  if (vector.drop) {
    ASSERT_FALSE(decoded);
    EXPECT_EQ(name(decoded.error()), name(*vector.drop));
    return;
  }
  ASSERT_TRUE(decoded) << name(decoded.error());
  EXPECT_EQ(decoded->form.bare, vector.bare);
  EXPECT_EQ(decoded->form.tenant, vector.tenant);
  EXPECT_EQ(decoded->header_bytes, vector.header_bytes);
}

// Every line of section 4 of the notes on the protocol that this is written from.
INSTANTIATE_TEST_SUITE_P(
    Stated, GueVectors,
    testing::Values(
        Vector{"Ipv4", "00 04 00 00 45 00", {}, false, {}, 4},
        Vector{"Ipv6", "00 29 00 00 60 00", {}, false, {}, 4},
        Vector{"BareIpv4", "45 00 00 14", {}, true, {}, 0},
        Vector{"BareIpv6", "60 00 00 00", {}, true, {}, 0},
        Vector{"Surplus", "02 04 00 00 AA AA AA AA BB BB BB BB 45 00", {}, false, {}, 12},
        Vector{"LinuxRemoteChecksum", "02 04 00 01 80 00 00 00 00 14 00 1a 45 00 00 28",
               Drop::kGueUnknownFlags},
        Vector{"Control", "20 00 00 00", Drop::kGueControlMessage},
        Vector{"ExperimentalControl", "20 ff 00 00 00 00 00 07", Drop::kGueControlMessage},
        Vector{"NoNextHeader", "00 3b 00 00", Drop::kGueNoNextHeader},
        Vector{"BareVersion5", "50 00 00 00 00", Drop::kGueBadInnerVersion},
        Vector{"BareVersion7", "70 00 00 00 00", Drop::kGueBadInnerVersion},
        Vector{"ReservedVariant2", "80 04 00 00 45", Drop::kGueReservedVariant},
        Vector{"ReservedVariant3", "c0 04 00 00 45", Drop::kGueReservedVariant},
        Vector{"UnknownFlag", "00 04 80 00 45 00", Drop::kGueUnknownFlags},
        Vector{"HlenPastEnd", "1f 04 00 00 45 00 00 00", Drop::kGueHeaderPastEnd}),
    [](const auto& tested) { return tested.param.name; });

INSTANTIATE_TEST_SUITE_P(
    More, GueVectors,
    testing::Values(
        Vector{"Empty", "", Drop::kGueTruncated},
        Vector{"ThreeBytes", "45 00 00", Drop::kGueTruncated},
        Vector{"HeaderAlone", "00 04 00 00", Drop::kGueTruncated},
        Vector{"TenantAndNothing", "02 04 00 00 4c 47 01 00 00 00 03 e9", Drop::kGueTruncated},
        Vector{"HlenPastEndByOne", "01 04 00 00 AA AA AA", Drop::kGueHeaderPastEnd},
        Vector{"Udp", "00 11 00 00 00 00", Drop::kGueOtherProtocol},
        Vector{"Protocol0", "00 00 00 00 45 00", Drop::kGueOtherProtocol},
        Vector{"ProtocolSaysIpv4", "00 04 00 00 60 00", Drop::kGueBadInnerVersion},
        Vector{"ProtocolSaysIpv6", "00 29 00 00 45 00", Drop::kGueBadInnerVersion},
        Vector{"NoVersion", "00 04 00 00 05 00", Drop::kGueBadInnerVersion},
        Vector{"LowestFlag", "00 04 00 01 45 00", Drop::kGueUnknownFlags},
        Vector{"ControlWithFlags", "20 00 80 00", Drop::kGueUnknownFlags},
        Vector{"ControlPastEnd", "21 00 00 00", Drop::kGueHeaderPastEnd},
        Vector{"TenantIpv4", "02 04 00 00 4c 47 01 00 00 00 03 e9 45", {}, false, 1001, 12},
        Vector{"TenantIpv6", "02 29 00 00 4c 47 01 00 80 00 00 01 60", {}, false, 0x80000001, 12},
        Vector{"TenantAndMore",
               "03 04 00 00 4c 47 01 00 00 00 03 e9 4c 47 01 00 45",
               {},
               false,
               1001,
               16},
        Vector{"TenantCutShort", "01 04 00 00 4c 47 01 00 45 00 00 00 03 e9", {}, false, {}, 8},
        Vector{"TenantNotInFront",
               "03 04 00 00 00 00 00 00 4c 47 01 00 00 00 03 e9 45",
               {},
               false,
               {},
               16},
        Vector{"OtherVersionOfOurs", "02 04 00 00 4c 47 02 00 00 00 03 e9 45", {}, false, {}, 12},
        Vector{
            "OursWithTheLastByteSet", "02 04 00 00 4c 47 01 01 00 00 03 e9 45", {}, false, {}, 12},
        Vector{"BareIsNeverSearchedForATenant",
               "45 00 00 00 4c 47 01 00 00 00 03 e9 45",
               {},
               true,
               {},
               0}),
    [](const auto& tested) { return tested.param.name; });

TEST(Gue, LongestHeaderIsTaken) {
  Bytes datagram = bytes("1f 04 00 00");
  datagram.resize(4 + 124);
  EXPECT_EQ(decode_gue(datagram).error(), Drop::kGueTruncated);
  datagram.push_back(std::byte{0x45});
  ASSERT_TRUE(decode_gue(datagram));
  EXPECT_EQ(decode_gue(datagram)->header_bytes, 128U);
}

Bytes encoded(const GueForm& form, bool is_v4) {
  Bytes out(gue_header_bytes(form), std::byte{0xee});
  encode_gue(form, is_v4, out);
  return out;
}

TEST(Gue, WritesTheBytesOfTheContract) {
  EXPECT_EQ(encoded({}, true), bytes("00 04 00 00"));
  EXPECT_EQ(encoded({}, false), bytes("00 29 00 00"));
  EXPECT_EQ(encoded({.bare = true, .tenant = {}}, true), Bytes());
  EXPECT_EQ(encoded({.bare = false, .tenant = 1001}, true),
            bytes("02 04 00 00 4C 47 01 00 00 00 03 E9"));
  EXPECT_EQ(encoded({.bare = false, .tenant = 0xfffffffe}, false),
            bytes("02 29 00 00 4C 47 01 00 FF FF FF FE"));
}

}  // namespace
}  // namespace flows
