#include "gateway/run/resolvers.h"

#include <gtest/gtest.h>

namespace gateway {
namespace {

using base::IpAddress;

const IpAddress kGateway4 = *IpAddress::parse("198.18.255.1");
const IpAddress kGateway6 = *IpAddress::parse("fd00::1");

ResolverPlan plan(std::string_view host) {
  return plan_resolvers(host, kGateway4, kGateway6);
}

TEST(Resolvers, FirstServerIsReachedAtTheGateway) {
  const ResolverPlan planned = plan("nameserver 127.0.0.53\n");
  EXPECT_EQ(planned.resolv_conf, "nameserver 198.18.255.1\n");
  ASSERT_EQ(planned.stand_ins.size(), 1u);
  EXPECT_EQ(planned.stand_ins[0].inside.to_string(), "198.18.255.1:53");
  EXPECT_EQ(planned.stand_ins[0].outside.to_string(), "127.0.0.53:53");
}

TEST(Resolvers, OrderAndFamilyStaySoThatFallbackWorks) {
  const ResolverPlan planned =
      plan("nameserver 192.0.2.1\nnameserver 2001:db8::1\nnameserver 192.0.2.2\n");
  EXPECT_EQ(planned.resolv_conf,
            "nameserver 198.18.255.1\nnameserver fd00::1\nnameserver 198.18.255.0\n");
  EXPECT_EQ(planned.stand_ins[2].outside.to_string(), "192.0.2.2:53");
}

TEST(Resolvers, SearchAndOptionsAreKeptAndCommentsAreNot) {
  EXPECT_EQ(plan("# mine\nsearch example.org\noptions edns0\nnameserver 192.0.2.1\n").resolv_conf,
            "search example.org\noptions edns0\nnameserver 198.18.255.1\n");
}

TEST(Resolvers, NoUsableServerLeavesTheFileAlone) {
  EXPECT_EQ(plan("").resolv_conf, "");
  EXPECT_EQ(plan("search example.org\nnameserver fe80::1%eth0\nnameserver x\n").resolv_conf, "");
}

}  // namespace
}  // namespace gateway
