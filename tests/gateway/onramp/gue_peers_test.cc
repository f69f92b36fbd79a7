#include "gateway/onramp/gue_peers.h"

#include <gtest/gtest.h>

#include "tests/support/addresses.h"

namespace gateway {
namespace {

using flows::Drop;
using test_support::address;

base::IpPrefix prefix(const char* text) {
  return *base::IpPrefix::parse(text);
}

std::vector<TenantSettings> tenants() {
  std::vector<TenantSettings> made(3);
  made[0].name = "acme";
  made[0].id = 1001;
  made[1].name = "other";
  made[1].id = 1002;
  made[2].name = "third";
  made[2].id = 1003;
  return made;
}

GueOnramp onramp() {
  GueOnramp gue;
  gue.peers = {{prefix("10.0.0.0/8"), "acme", {"other"}},
               {prefix("10.1.0.0/16"), "other", {}},
               {prefix("2001:db8::/32"), "third", {"acme", "other"}}};
  return gue;
}

TEST(GuePeerList, LongestPrefixSaysWhoseAPacketIsThatNamesNobody) {
  const GuePeerList peers(onramp(), tenants());
  EXPECT_EQ(peers.tenant_of(address("10.2.0.1"), {}).value(), 1001U);
  EXPECT_EQ(peers.tenant_of(address("10.1.0.1"), {}).value(), 1002U);
  EXPECT_EQ(peers.tenant_of(address("2001:db8::1"), {}).value(), 1003U);
}

TEST(GuePeerList, NobodyElseIsHeard) {
  const GuePeerList peers(onramp(), tenants());
  for (const char* stranger : {"11.0.0.1", "2001:db9::1", "::1"}) {
    EXPECT_EQ(peers.tenant_of(address(stranger), {}).error(), Drop::kGuePeerNotAllowed);
    EXPECT_EQ(peers.tenant_of(address(stranger), 1001).error(), Drop::kGuePeerNotAllowed);
  }
}

TEST(GuePeerList, TenantsAreAllThatAnyPrefixSpeaksFor) {
  EXPECT_EQ(GuePeerList(onramp(), tenants()).tenants(), (std::set{1001U, 1002U, 1003U}));
  GueOnramp one = onramp();
  one.peers.erase(one.peers.begin());
  one.peers.pop_back();
  EXPECT_EQ(GuePeerList(one, tenants()).tenants(), std::set{1002U});
}

TEST(GuePeerList, OnlyThePrefixesOwnTenantAndThoseThatItMayNameCanBeNamed) {
  const GuePeerList peers(onramp(), tenants());
  EXPECT_EQ(peers.tenant_of(address("10.2.0.1"), 1002).value(), 1002U);
  EXPECT_EQ(peers.tenant_of(address("10.2.0.1"), 1001).value(), 1001U) << "its own";
  EXPECT_EQ(peers.tenant_of(address("10.2.0.1"), 1003).error(), Drop::kGueTenantNotAllowed);
  EXPECT_EQ(peers.tenant_of(address("10.1.0.1"), 1001).error(), Drop::kGueTenantNotAllowed)
      << "the shorter prefix has no say";
  EXPECT_EQ(peers.tenant_of(address("10.2.0.1"), 4711).error(), Drop::kGueTenantNotAllowed);
  EXPECT_EQ(peers.tenant_of(address("10.2.0.1"), 0).error(), Drop::kGueTenantNotAllowed);
}

TEST(GueOnrampFor, IsTheFirstOfTheFamilyThatHearsThePeerForTheTenant) {
  std::vector<Onramp> onramps(4);
  onramps[0].seqpacket.emplace();
  onramps[1].gue = onramp();  // listens on an IPv4 address
  onramps[2].gue = onramp();
  onramps[2].gue->listen.address = base::IpAddress();
  onramps[3].gue = onramp();
  EXPECT_EQ(gue_onramp_for(onramps, "acme", address("10.2.0.1")), 1U);
  EXPECT_EQ(gue_onramp_for(onramps, "other", address("10.2.0.1")), 1U) << "may be named";
  EXPECT_EQ(gue_onramp_for(onramps, "acme", address("10.1.0.1")), std::nullopt);
  EXPECT_EQ(gue_onramp_for(onramps, "third", address("2001:db8::1")), 2U);
  EXPECT_EQ(gue_onramp_for(onramps, "third", address("10.2.0.1")), std::nullopt);
  EXPECT_EQ(gue_onramp_for(onramps, "acme", address("11.0.0.1")), std::nullopt);
}

}  // namespace
}  // namespace gateway
