#include "flows/flow_table.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/flow_region.h"

namespace flows {
namespace {

using base::Instant;
using namespace std::chrono_literals;
using test_support::key_number;
using test_support::TestTable;
using test_support::ZeroedRegion;

constexpr Instant kStart{1h};

TEST(FlowTable, FindsAFlowFromBothDirections) {
  TestTable made(16);
  const FlowKey key = key_number(1);
  const FlowIndex index = made.table.insert(key, kStart).value();

  const auto up = made.table.find(key);
  const auto down = made.table.find(key.reversed());

  ASSERT_TRUE(up && down);
  EXPECT_EQ(up->index, index);
  EXPECT_EQ(up->sender, Side::kInitiator);
  EXPECT_EQ(down->index, index);
  EXPECT_EQ(down->sender, Side::kResponder);
}

// Pitfall 2a #1: a table keyed by the source alone sends replies to the wrong server.
// The other direction is another flow, or will be.
TEST(FlowTable, FlowThatIsRefusedHasOneDirection) {
  TestTable made(16);
  const FlowKey key = key_number(1);
  const FlowIndex refused = made.table.insert(key, kStart).value();
  made.table[refused].action = Action::kDrop;
  EXPECT_EQ(made.table.find(key)->index, refused);
  EXPECT_FALSE(made.table.find(key.reversed()));
  const FlowIndex other = made.table.insert(key.reversed(), kStart).value();
  made.table[other].action = Action::kReject;
  EXPECT_EQ(made.table.find(key)->index, refused);
  EXPECT_EQ(made.table.find(key.reversed())->index, other);
}

TEST(FlowTable, EveryPartOfTheKeyTellsFlowsApart) {
  const FlowKey key = key_number(1);
  FlowKey other_port = key;
  other_port.source.port = base::Port{40001};
  FlowKey other_server = key;
  other_server.destination.address = base::IpAddress::v4(0xc0000202);
  FlowKey other_tenant = key;
  other_tenant.tenant = 8;
  FlowKey other_protocol = key;
  other_protocol.protocol = Protocol::kUdp;
  TestTable made(16);
  ASSERT_TRUE(made.table.insert(key, kStart));

  for (const FlowKey& other : {other_port, other_server, other_tenant, other_protocol}) {
    EXPECT_FALSE(made.table.find(other));
    EXPECT_FALSE(made.table.find(other.reversed()));
    EXPECT_TRUE(made.table.insert(other, kStart));
  }
  EXPECT_EQ(made.table.size(), 5u);
}

TEST(FlowTable, SwappedPortsAloneAreAnotherFlow) {
  FlowKey key = key_number(1);
  FlowKey crossed = key;
  std::swap(crossed.source.port, crossed.destination.port);
  TestTable made(16);
  ASSERT_TRUE(made.table.insert(key, kStart));

  EXPECT_FALSE(made.table.find(crossed));
  EXPECT_FALSE(made.table.find(crossed.reversed()));
}

TEST(FlowTable, NewFlowHasAFreshIdAndItsTimes) {
  TestTable made(16);
  const Flow first = made.table[made.add(1, kStart)];
  const Flow second = made.table[made.add(2, kStart + 1s)];

  EXPECT_EQ(first.id, 1u);
  EXPECT_EQ(first.key, key_number(1));
  EXPECT_EQ(first.created_ns, base::to_nanoseconds(kStart));
  EXPECT_EQ(first.last_seen_ns, base::to_nanoseconds(kStart));
  EXPECT_EQ(first.up.packets, 0u);
  EXPECT_EQ(first.tunnel, kNone32);
  EXPECT_EQ(first.version % 2, 0u);
  EXPECT_EQ(second.id, 2u);
  EXPECT_EQ(second.created_ns, base::to_nanoseconds(kStart + 1s));
}

TEST(FlowTable, RefusesWhenFullAndChangesNothing) {
  TestTable made(2);
  made.add(1, kStart);
  made.add(2, kStart);

  bool filled = false;
  const auto third = made.table.insert(key_number(3), kStart, [&](Flow&) { filled = true; });

  ASSERT_FALSE(third);
  EXPECT_EQ(third.error(), Drop::kFlowTableFull);
  EXPECT_FALSE(filled);
  EXPECT_EQ(made.table.size(), 2u);
  EXPECT_FALSE(made.table.find(key_number(3)));
}

TEST(FlowTable, ErasedFlowIsGoneAndItsRecordIsReusedUnderANewId) {
  TestTable made(2);
  const FlowIndex first = made.add(1, kStart);
  made.table[first].up.packets = 9;
  made.add(2, kStart);

  made.table.erase(first);
  EXPECT_FALSE(made.table.find(key_number(1)));
  EXPECT_EQ(made.table.size(), 1u);
  const FlowIndex again = made.add(3, kStart);

  EXPECT_EQ(again, first);
  EXPECT_EQ(made.table[again].id, 3u);
  EXPECT_EQ(made.table[again].up.packets, 0u);
}

TEST(FlowTable, RecordFreedLastIsUsedFirst) {
  TestTable made(8);
  std::vector<FlowIndex> indices;
  for (std::uint32_t i = 0; i < 3; ++i) {
    indices.push_back(made.add(i, kStart));
  }
  made.table.erase(indices[0]);
  made.table.erase(indices[2]);

  EXPECT_EQ(made.add(10, kStart), indices[2]);
  EXPECT_EQ(made.add(11, kStart), indices[0]);
  EXPECT_EQ(made.add(12, kStart), FlowIndex{3});
}

// 1024 flows fill some of the blocks: whichever goes, those that had to go further stay findable.
TEST(FlowTable, FlowsThatShareABlockSurviveEraseInAnyOrder) {
  constexpr std::uint32_t kFlows = 1024;
  TestTable made(kFlows);
  for (std::uint32_t i = 0; i < kFlows; ++i) {
    made.add(i, kStart);
  }
  constexpr std::uint32_t kStride = 389;  // coprime to kFlows
  for (std::uint32_t gone = 1; gone <= kFlows; ++gone) {
    made.table.erase(made.table.find(key_number(gone * kStride % kFlows))->index);
    const std::uint32_t next = (gone + 1) * kStride % kFlows;
    ASSERT_EQ(made.table.find(key_number(next)).has_value(), gone < kFlows);
  }
  EXPECT_EQ(made.table.size(), 0u);
}

TEST(FlowTable, UpdateStoresWhatTheCallerChanged) {
  TestTable made(4);
  const FlowIndex index = made.add(1, kStart);
  const std::uint32_t before = made.table[index].version;

  made.table.update(index, [](Flow& flow) { flow.tunnel = 5; });

  EXPECT_EQ(made.table[index].tunnel, 5u);
  EXPECT_EQ(made.table[index].version, before + 2);
  EXPECT_TRUE(made.table.find(key_number(1)));
}

TEST(FlowTable, ForEachVisitsEveryLiveFlowOnce) {
  TestTable made(8);
  for (std::uint32_t i = 0; i < 5; ++i) {
    made.add(i, kStart);
  }
  made.table.erase(FlowIndex{1});

  std::vector<FlowIndex> visited;
  made.table.for_each([&](FlowIndex index) { visited.push_back(index); });

  EXPECT_EQ(visited, (std::vector{FlowIndex{0}, FlowIndex{2}, FlowIndex{3}, FlowIndex{4}}));
}

TEST(FlowTable, VisitedFlowsAndOthersMayBeErasedDuringTheVisit) {
  TestTable made(8);
  for (std::uint32_t i = 0; i < 6; ++i) {
    made.add(i, kStart);
  }

  int visits = 0;
  made.table.for_each([&](FlowIndex index) {
    ++visits;
    made.table.erase(index);
    if (index == FlowIndex{0}) {
      made.table.erase(FlowIndex{5});
    }
  });

  EXPECT_EQ(visits, 5);
  EXPECT_EQ(made.table.size(), 0u);
}

TEST(FlowTable, HashIsKeyed) {
  const FlowKey key = key_number(1);
  EXPECT_NE(symmetric_hash(key, {1, 2}), symmetric_hash(key, {1, 3}));
  EXPECT_NE(symmetric_hash(key, {1, 2}), symmetric_hash(key, {2, 2}));
}

TEST(FlowTable, HashIsTheSameForBothDirections) {
  for (std::uint32_t i = 0; i < 64; ++i) {
    FlowKey key = key_number(i * 0x01000193);
    key.destination.address = base::IpAddress::parse("2001:db8::1").value();
    EXPECT_EQ(symmetric_hash(key, {1, 2}), symmetric_hash(key.reversed(), {1, 2}));
    FlowKey ping = key;
    ping.protocol = Protocol::kIcmp;
    ping.icmp_type = kEchoRequest;
    EXPECT_EQ(symmetric_hash(ping, {1, 2}), symmetric_hash(ping.reversed(), {1, 2}));
    FlowKey loop = key;  // the same address on both sides: the ports decide
    loop.destination.address = loop.source.address;
    EXPECT_EQ(symmetric_hash(loop, {1, 2}), symmetric_hash(loop.reversed(), {1, 2}));
  }
}

// Neighbouring keys must not share a home more than chance would have it: with as many homes as
// flows, e^-1 of them stay empty, 37 %. Homes go by the upper bits, tags by the lowest byte.
TEST(FlowTable, NeighbouringKeysSpreadOverHomesAndTags) {
  constexpr std::uint32_t kFlows = 1 << 14;
  std::vector<bool> homes(kFlows);
  std::vector<std::uint32_t> tags(256);
  for (std::uint32_t i = 0; i < kFlows; ++i) {
    const std::uint32_t hash = symmetric_hash(key_number(i), {1, 2});
    homes[std::uint64_t{hash} * kFlows >> 32U] = true;
    ++tags[hash & 0xffU];
  }
  const auto used = std::count(homes.begin(), homes.end(), true);
  EXPECT_NEAR(static_cast<double>(used) / kFlows, 0.632, 0.02);
  const auto [fewest, most] = std::ranges::minmax(tags);
  EXPECT_GT(fewest, 64U - 40U);  // five deviations
  EXPECT_LT(most, 64U + 40U);
}

// The record with its links in the wheel, its share of the index, and its share of the names, which
// are not more when flows are.
TEST(FlowTable, RegionCostsAtMost192BytesAFlow) {
  for (const std::uint32_t capacity : {1'000'000U, 1U << 20U, 8'000'000U, 1U << 23U}) {
    EXPECT_LE(RegionLayout::of(capacity).bytes, 192ULL * capacity) << capacity;
  }
  for (const std::uint32_t capacity : {1U << 10U, (1U << 10U) + 1}) {
    EXPECT_LE(RegionLayout::of(capacity).names_offset, 186ULL * capacity + 256) << capacity;
  }
}

TEST(FlowTable, WorksWithASingleRecord) {
  TestTable made(1);
  for (std::uint32_t i = 0; i < 3; ++i) {
    const FlowIndex index = made.add(i, kStart);
    EXPECT_FALSE(made.table.insert(key_number(100), kStart));
    made.table.erase(index);
  }
  EXPECT_EQ(made.table.size(), 0u);
}

TEST(FlowTableDeathTest, InsertingAFlowTwiceAborts) {
  TestTable made(4);
  made.add(1, kStart);
  EXPECT_DEATH((void)made.table.insert(key_number(1), kStart), "CHECK failed");
  EXPECT_DEATH((void)made.table.insert(key_number(1).reversed(), kStart), "CHECK failed");
}

TEST(FlowTableDeathTest, ErasingAFreeRecordAborts) {
  TestTable made(4);
  const FlowIndex index = made.add(1, kStart);
  made.table.erase(index);
  EXPECT_DEATH(made.table.erase(index), "CHECK failed");
  EXPECT_DEATH(made.table.erase(FlowIndex{3}), "CHECK failed");
}

TEST(FlowTableDeathTest, RegionMustBeLongEnoughAndAligned) {
  const std::size_t bytes = FlowTable::region_bytes(8);
  const ZeroedRegion region(bytes + 8);
  EXPECT_DEATH((void)FlowTable::create(region.bytes().first(bytes - 1), 8, {}), "CHECK failed");
  EXPECT_DEATH((void)FlowTable::create(region.bytes().subspan(8), 8, {}), "CHECK failed");
}

}  // namespace
}  // namespace flows
