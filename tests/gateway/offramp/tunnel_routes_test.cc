#include "gateway/offramp/tunnel_routes.h"

#include <gtest/gtest.h>

#include "tests/support/addresses.h"

namespace gateway {
namespace {

using test_support::address;

base::IpPrefix prefix(const char* text) {
  return *base::IpPrefix::parse(text);
}

TEST(TunnelRoutes, LongestPrefixIsTheWay) {
  TunnelRoutes routes;
  routes.add(prefix("10.0.0.0/8"), 1);
  routes.add(prefix("10.1.0.0/16"), 2);
  routes.add(prefix("fd00::/8"), 3);
  EXPECT_EQ(routes.find(address("10.1.2.3")), 2U);
  EXPECT_EQ(routes.find(address("10.2.2.3")), 1U);
  EXPECT_EQ(routes.find(address("fd00::1")), 3U);
  EXPECT_EQ(routes.find(address("11.0.0.1")), std::nullopt);
}

TEST(TunnelRoutes, NewestOfThoseThatClaimAPrefixIsTheWayUntilItGoes) {
  TunnelRoutes routes;
  routes.add(prefix("10.0.0.1/32"), 1);
  routes.add(prefix("10.0.0.1/32"), 2);
  EXPECT_EQ(routes.find(address("10.0.0.1")), 2U);
  routes.remove(prefix("10.0.0.1/32"), 2);
  EXPECT_EQ(routes.find(address("10.0.0.1")), 1U);
  routes.remove(prefix("10.0.0.1/32"), 1);
  EXPECT_EQ(routes.find(address("10.0.0.1")), std::nullopt);
}

TEST(TunnelRoutes, ClaimThatIsMadeTwiceGoesAtOnce) {
  TunnelRoutes routes;
  routes.add(prefix("10.0.0.0/8"), 1);
  routes.add(prefix("10.0.0.0/8"), 1);
  routes.remove(prefix("10.0.0.0/8"), 1);
  routes.remove(prefix("10.0.0.0/8"), 1);
  EXPECT_EQ(routes.find(address("10.0.0.1")), std::nullopt);
}

}  // namespace
}  // namespace gateway
