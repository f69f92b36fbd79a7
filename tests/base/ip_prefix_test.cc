#include "base/ip_prefix.h"

#include <gtest/gtest.h>

namespace base {
namespace {

IpAddress address(const char* text) {
  return IpAddress::parse(text).value();
}
IpPrefix prefix(const char* text) {
  return IpPrefix::parse(text).value();
}

TEST(IpPrefix, HoldsTheAddressesThatShareItsLeadingBits) {
  EXPECT_TRUE(prefix("100.64.0.0/10").contains(address("100.64.0.0")));
  EXPECT_TRUE(prefix("100.64.0.0/10").contains(address("100.127.255.255")));
  EXPECT_FALSE(prefix("100.64.0.0/10").contains(address("100.128.0.0")));
  EXPECT_FALSE(prefix("100.64.0.0/10").contains(address("100.63.255.255")));
  EXPECT_TRUE(prefix("fd00:64::/31").contains(address("fd00:65:ffff::1")));
  EXPECT_FALSE(prefix("fd00:64::/31").contains(address("fd00:66::")));
}

TEST(IpPrefix, BareAddressIsAHostPrefix) {
  EXPECT_EQ(prefix("192.0.2.1").bits(), 32);
  EXPECT_EQ(prefix("2001:db8::1").bits(), 128);
  EXPECT_TRUE(prefix("192.0.2.1").contains(address("192.0.2.1")));
  EXPECT_FALSE(prefix("192.0.2.1").contains(address("192.0.2.0")));
}

// IPv4 is stored inside ::/0 as ::ffff:0:0/96, so a careless comparison of bits would find it
// there.
TEST(IpPrefix, AllOfIpv6HoldsNoIpv4) {
  EXPECT_TRUE(IpPrefix::all_v6().contains(address("2001:db8::1")));
  EXPECT_TRUE(IpPrefix::all_v6().contains(address("::")));
  EXPECT_FALSE(IpPrefix::all_v6().contains(address("192.0.2.1")));
  EXPECT_FALSE(IpPrefix::all_v6().contains(IpPrefix::all_v4()));
  EXPECT_FALSE(prefix("::/80").contains(address("192.0.2.1")));
}

TEST(IpPrefix, AllOfIpv4HoldsNoIpv6) {
  EXPECT_TRUE(IpPrefix::all_v4().contains(address("0.0.0.0")));
  EXPECT_TRUE(IpPrefix::all_v4().contains(address("255.255.255.255")));
  EXPECT_FALSE(IpPrefix::all_v4().contains(address("::")));
  EXPECT_FALSE(IpPrefix::all_v4().contains(IpPrefix::all_v6()));
}

TEST(IpPrefix, ZeroBitsParseToAllOfTheFamily) {
  EXPECT_EQ(prefix("0.0.0.0/0"), IpPrefix::all_v4());
  EXPECT_EQ(prefix("::/0"), IpPrefix::all_v6());
  EXPECT_EQ(IpPrefix::of(address("10.1.2.3"), 0), IpPrefix::all_v4());
  EXPECT_EQ(IpPrefix::of(address("2001:db8::1"), 0), IpPrefix::all_v6());
}

TEST(IpPrefix, BitsAreCountedInTheFamilysOwnTerms) {
  EXPECT_EQ(prefix("10.0.0.0/8").bits(), 8);
  EXPECT_EQ(prefix("0.0.0.0/0").bits(), 0);
  EXPECT_EQ(prefix("fd00::/8").bits(), 8);
  EXPECT_EQ(prefix("::/0").bits(), 0);
}

TEST(IpPrefix, OfClearsHostBits) {
  EXPECT_EQ(IpPrefix::of(address("10.1.2.3"), 8), prefix("10.0.0.0/8"));
  EXPECT_EQ(IpPrefix::of(address("10.1.2.3"), 31), prefix("10.1.2.2/31"));
  EXPECT_EQ(IpPrefix::of(address("fd00:64::2"), 33), prefix("fd00:64::/33"));
}

TEST(IpPrefix, ContainsANarrowerPrefixAndItself) {
  EXPECT_TRUE(prefix("10.0.0.0/8").contains(prefix("10.200.0.0/16")));
  EXPECT_TRUE(prefix("10.0.0.0/8").contains(prefix("10.0.0.0/8")));
  EXPECT_FALSE(prefix("10.200.0.0/16").contains(prefix("10.0.0.0/8")));
  EXPECT_FALSE(prefix("10.0.0.0/8").contains(prefix("11.0.0.0/16")));
}

TEST(IpPrefix, RefusesSetHostBits) {
  EXPECT_FALSE(IpPrefix::parse("10.0.0.1/8"));
  EXPECT_FALSE(IpPrefix::parse("fd00::1/64"));
  EXPECT_FALSE(IpPrefix::parse("0.0.0.1/0"));
}

TEST(IpPrefix, RefusesWhatIsNotExactlyAPrefix) {
  for (const char* text : {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/-1",
                           "10.0.0.0/+8", "10.0.0.0/8 ", "10.0.0.0/ 8", "10.0.0.0/8/8", "10/8",
                           "10.0.0.0/256", "10.0.0.0/4294967304", "10.0.0.0/255.0.0.0"}) {
    EXPECT_FALSE(IpPrefix::parse(text)) << text;
  }
}

TEST(IpPrefix, PrintsWhatItParses) {
  for (const char* text : {"0.0.0.0/0", "::/0", "10.0.0.0/8", "192.0.2.1/32", "fd00:64::/48"}) {
    EXPECT_EQ(prefix(text).to_string(), text);
  }
}

TEST(IpPrefixDeathTest, MoreBitsThanTheFamilyHasAbort) {
  EXPECT_DEATH((void)IpPrefix::of(address("10.0.0.0"), 33), "CHECK failed");
  EXPECT_DEATH((void)IpPrefix::of(address("fd00::"), 129), "CHECK failed");
  EXPECT_DEATH((void)IpPrefix::of(address("10.0.0.0"), 255), "CHECK failed");
}

}  // namespace
}  // namespace base
