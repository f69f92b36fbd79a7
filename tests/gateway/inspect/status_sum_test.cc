#include "gateway/inspect/status_sum.h"

#include <array>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway {
namespace {

using testing::ElementsAre;

// A shard of two tenants, the first of which lives there.
GatewayStatus shard(std::uint32_t id, std::uint32_t other) {
  GatewayStatus status;
  for (const std::uint32_t tunnel : {id * 10, id}) {
    status.tunnels.emplace_back().id = tunnel;
    status.tunnels.back().tenant = "acme";
  }
  TenantStatus& here = status.tenants.emplace_back();
  here.id = id;
  here.tunnels = 2;
  here.flows = 3;
  here.max_flows = id * 100;
  here.dials = 1;
  TenantStatus& elsewhere = status.tenants.emplace_back();
  elsewhere.id = other;
  elsewhere.max_flows = other * 100;
  std::ranges::sort(status.tenants, {}, &TenantStatus::id);
  status.rule_flows = {4, 5};
  status.default_rule_flows = 6;
  status.nat.claimed = 7;
  status.nat.capacity = 1000;
  status.nat.first_port = 1024;
  status.nat.exhausted = 8;
  status.stats.started_ns = 100 + id;
  status.stats.flows = 3;
  status.stats.flows_max = 50;
  status.stats.up = {.packets = 9, .bytes = 900};
  status.drops = {{"empty", "no byte", 10}, {"truncated", "too short", id}};
  return status;
}

TEST(StatusSum, OfOneShardIsWhatItSays) {
  const std::array one = {shard(1, 2)};
  EXPECT_EQ(sum_of(one).stats.flows, 3U);
  EXPECT_EQ(sum_of(one).nat.capacity, 1000U);
}

TEST(StatusSum, BoundThatSeveralShardsKnowIsOne) {
  GatewayStatus one = shard(1, 2);
  one.bandwidths = {
      {.rule = flows::kDefaultRule, .tenant = 1, .bits_per_second = 9, .bytes = 5, .dropped = {}},
      {.rule = 3, .tenant = 1, .bits_per_second = 7, .waits = 2, .dropped = {}}};
  GatewayStatus other = shard(2, 1);
  other.bandwidths = {
      {.rule = flows::kDefaultRule, .tenant = 1, .bits_per_second = 9, .bytes = 6, .dropped = {}},
      {.rule = 3, .tenant = 2, .bits_per_second = 7, .waits = 4, .dropped = {}}};
  const std::array two = {one, other};
  const auto sum = sum_of(two).bandwidths;
  ASSERT_EQ(sum.size(), 3U);
  EXPECT_EQ(sum[0].tenant, 1U);
  EXPECT_EQ(sum[0].waits, 2U);
  EXPECT_EQ(sum[1].waits, 4U);
  EXPECT_EQ(sum[2].rule, flows::kDefaultRule);
  EXPECT_EQ(sum[2].bytes, 11U);
  EXPECT_EQ(sum[2].bits_per_second, 9U);
}

TEST(StatusSum, CountersAddUpAndLimitsStay) {
  const std::array two = {shard(1, 2), shard(2, 1)};
  const GatewayStatus sum = sum_of(two);
  EXPECT_EQ(sum.stats.flows, 6U);
  EXPECT_EQ(sum.stats.flows_max, 50U) << "all shards may have so many together";
  EXPECT_EQ(sum.stats.started_ns, 101);
  EXPECT_EQ(sum.stats.up.packets, 18U);
  EXPECT_EQ(sum.stats.up.bytes, 1800U);
  EXPECT_EQ(sum.nat.claimed, 14U);
  EXPECT_EQ(sum.nat.capacity, 2000U) << "each has a sandbox of its own";
  EXPECT_EQ(sum.nat.first_port, 1024);
  EXPECT_EQ(sum.nat.exhausted, 16U);
  EXPECT_THAT(sum.rule_flows, ElementsAre(8, 10));
  EXPECT_EQ(sum.default_rule_flows, 12U);
  EXPECT_EQ(sum.drops[0].count, 20U);
  EXPECT_EQ(sum.drops[1].count, 3U);
}

TEST(StatusSum, TunnelsAndTenantsAreInTheOrderOfTheirIds) {
  const std::array two = {shard(2, 1), shard(1, 2)};
  const GatewayStatus sum = sum_of(two);
  std::vector<std::uint32_t> tunnels;
  for (const TunnelStatus& tunnel : sum.tunnels) {
    tunnels.push_back(tunnel.id);
  }
  EXPECT_THAT(tunnels, ElementsAre(1, 2, 10, 20));
  ASSERT_EQ(sum.tenants.size(), 2U);
  EXPECT_EQ(sum.tenants[0].flows, 3U);
  EXPECT_EQ(sum.tenants[0].max_flows, 100U);
  EXPECT_EQ(sum.tenants[1].max_flows, 200U);
}

TEST(StatusSum, RulesThatOneShardHasNotHeardOfYetCountThere) {
  std::array two = {shard(1, 2), shard(2, 1)};
  two[1].rule_flows = {1, 1, 1};
  EXPECT_THAT(sum_of(two).rule_flows, ElementsAre(5, 6, 1));
}

}  // namespace
}  // namespace gateway
