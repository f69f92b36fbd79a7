#include "gateway/placement.h"

#include <array>
#include <cstdint>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flows/flow_id.h"

namespace gateway {
namespace {

using testing::ElementsAre;

constexpr std::array kIdle = {0.0, 0.0, 0.0};

std::vector<std::size_t> place_all(Placement& placement, std::uint32_t first, std::uint32_t last,
                                   std::span<const double> busy) {
  std::vector<std::size_t> shards;
  for (std::uint32_t tenant = first; tenant <= last; ++tenant) {
    shards.push_back(placement.place(tenant, busy));
  }
  return shards;
}

TEST(ShardCount, IsOfTheProcessorsUnlessItIsSaid) {
  EXPECT_EQ(shard_count(0, 4, 100), 4U);
  EXPECT_EQ(shard_count(3, 4, 100), 3U);
  EXPECT_EQ(shard_count(8, 4, 100), 8U);
}

TEST(ShardCount, IsNeverAboveTheTenantsNorBelowOne) {
  EXPECT_EQ(shard_count(0, 4, 1), 1U);
  EXPECT_EQ(shard_count(8, 4, 2), 2U);
  EXPECT_EQ(shard_count(0, 0, 5), 1U);
  EXPECT_EQ(shard_count(1, 4, 0), 1U);
  EXPECT_EQ(shard_count(0, 4096, 4096), flows::kMostShards);
}

TEST(Placement, SpreadsTenantsOverIdleShards) {
  Placement placement(3);
  EXPECT_THAT(place_all(placement, 1, 6, kIdle), ElementsAre(0, 1, 2, 0, 1, 2));
}

TEST(Placement, OnceAndForAll) {
  Placement placement(2);
  EXPECT_EQ(placement.find(7), std::nullopt);
  EXPECT_EQ(placement.place(7, std::array{0.9, 0.0}), 1U);
  EXPECT_EQ(placement.place(7, std::array{0.0, 0.9}), 1U);
  EXPECT_EQ(placement.find(7), 1U);
  EXPECT_EQ(placement.find(8), std::nullopt);
}

TEST(Placement, OneBusyTenantOutweighsManyIdleOnes) {
  Placement placement(2);
  placement.place(1, std::array{0.0, 0.0});
  EXPECT_THAT(place_all(placement, 2, 5, std::array{0.8, 0.1}), ElementsAre(1, 1, 1, 1));
}

TEST(Placement, NoiseDoesNotDecide) {
  Placement placement(2);
  EXPECT_THAT(place_all(placement, 1, 4, std::array{0.03, 0.01}), ElementsAre(0, 1, 0, 1));
}

TEST(Placement, OneShardHasThemAll) {
  Placement placement(1);
  EXPECT_THAT(place_all(placement, 1, 3, std::array{1.0}), ElementsAre(0, 0, 0));
}

}  // namespace
}  // namespace gateway
