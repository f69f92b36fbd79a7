#include "base/ip_address.h"

#include <array>
#include <cstddef>
#include <string>

#include <gtest/gtest.h>

namespace base {
namespace {

IpAddress address(const char* text) {
  return IpAddress::parse(text).value();
}

TEST(IpAddress, IsUnspecifiedAndV6ByDefault) {
  EXPECT_EQ(IpAddress().to_string(), "::");
  EXPECT_TRUE(IpAddress().is_v6());
}

TEST(IpAddress, TakesIpv4FromANumberFromBytesAndFromText) {
  const std::array<std::byte, 4> bytes{std::byte{192}, std::byte{0}, std::byte{2}, std::byte{1}};

  EXPECT_EQ(IpAddress::v4(0xc0000201), address("192.0.2.1"));
  EXPECT_EQ(IpAddress::from_v4_bytes(bytes), address("192.0.2.1"));
  EXPECT_EQ(address("192.0.2.1").v4_number(), 0xc0000201U);
}

TEST(IpAddress, WireBytesAreWhatAPacketOfTheFamilyCarries) {
  EXPECT_EQ(address("10.0.0.255").wire_bytes().size(), 4U);
  EXPECT_EQ(address("10.0.0.255").wire_bytes()[3], std::byte{255});
  EXPECT_EQ(address("2001:db8::ff").wire_bytes().size(), 16U);
  EXPECT_EQ(address("2001:db8::ff").wire_bytes()[15], std::byte{255});
}

TEST(IpAddress, V4MappedTextIsIpv4) {
  EXPECT_TRUE(address("::ffff:192.0.2.1").is_v4());
  EXPECT_EQ(address("::ffff:192.0.2.1"), address("192.0.2.1"));
}

TEST(IpAddress, V4CompatibleAndNearlyMappedAddressesStayV6) {
  EXPECT_TRUE(address("::192.0.2.1").is_v6());
  EXPECT_TRUE(address("::fffe:192.0.2.1").is_v6());
  EXPECT_TRUE(address("0:0:0:0:1:ffff:102:304").is_v6());
}

TEST(IpAddress, PrintsTheShortFormOfRfc5952) {
  EXPECT_EQ(address("2001:0db8:0000:0000:0000:0000:0000:0001").to_string(), "2001:db8::1");
  EXPECT_EQ(address("FD00:64::2").to_string(), "fd00:64::2");
  EXPECT_EQ(address("255.255.255.255").to_string(), "255.255.255.255");
}

TEST(IpAddress, RefusesWhatIsNotExactlyAnAddress) {
  for (const char* text :
       {"", " ", "192.0.2", "192.0.2.1 ", " 192.0.2.1", "192.0.2.256", "192.0.2.01", "0x7f.0.0.1",
        "192.0.2.1/32", "[::1]", "::1%lo", ":::", "1:2:3:4:5:6:7:8:9", "localhost"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
}

TEST(IpAddress, RefusesTextWithANulInside) {
  EXPECT_FALSE(IpAddress::parse(std::string("192.0.2.1\0.evil", 15)));
}

TEST(IpAddress, PlusCountsInTheLast32Bits) {
  EXPECT_EQ(address("10.0.0.255").plus(1), address("10.0.1.0"));
  EXPECT_EQ(address("fd00::ffff").plus(1), address("fd00::1:0"));
}

TEST(IpAddress, OrdersIpv4ByNumber) {
  EXPECT_LT(address("10.0.0.9"), address("10.0.0.10"));
  EXPECT_LT(address("9.255.255.255"), address("10.0.0.0"));
}

TEST(IpAddressDeathTest, NumberOfAnIpv6AddressAborts) {
  EXPECT_DEATH((void)address("2001:db8::1").v4_number(), "CHECK failed");
}

}  // namespace
}  // namespace base
