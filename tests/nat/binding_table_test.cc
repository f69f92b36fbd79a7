#include "nat/binding_table.h"

#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace nat {
namespace {

using base::Endpoint;
using base::IpAddress;
using base::Port;
using flows::Drop;
using flows::FlowIndex;

// Three ports an address: slot 3 is the first of the second address.
BindingRange range_of(std::uint32_t slots) {
  return {.first_v4 = IpAddress::parse("198.18.0.254").value(),
          .first_v6 = IpAddress::parse("fd00:6c67::fffe").value(),
          .first_port = Port{65533},
          .last_port = Port{65535},
          .slots = slots};
}

Endpoint endpoint(const char* text) {
  return Endpoint::parse(text).value();
}

TEST(BindingTable, ClaimsEverySlotOnce) {
  BindingTable table(range_of(7));

  std::set<BindingIndex> claimed;
  for (std::uint32_t i = 0; i < 7; ++i) {
    claimed.insert(table.claim(FlowIndex{i}).value());
  }

  EXPECT_EQ(claimed.size(), 7u);
  EXPECT_LT(number(*claimed.rbegin()), 7u);
  EXPECT_EQ(table.claimed(), 7u);
  EXPECT_EQ(table.capacity(), 7u);
}

TEST(BindingTable, SlotIsTheSameEndpointInBothFamilies) {
  const BindingTable table(range_of(7));

  EXPECT_EQ(table.outside(BindingIndex{0}, Family::kV4), endpoint("198.18.0.254:65533"));
  EXPECT_EQ(table.outside(BindingIndex{2}, Family::kV4), endpoint("198.18.0.254:65535"));
  EXPECT_EQ(table.outside(BindingIndex{6}, Family::kV4), endpoint("198.18.1.0:65533"));
  EXPECT_EQ(table.outside(BindingIndex{0}, Family::kV6), endpoint("[fd00:6c67::fffe]:65533"));
  EXPECT_EQ(table.outside(BindingIndex{6}, Family::kV6), endpoint("[fd00:6c67::1:0]:65533"));
}

TEST(BindingTable, BothFamiliesFindTheSlotAndItsFlow) {
  BindingTable table(range_of(7));
  for (std::uint32_t i = 0; i < 7; ++i) {
    const BindingIndex binding = table.claim(FlowIndex{100 + i}).value();
    EXPECT_EQ(table.find(table.outside(binding, Family::kV4)), binding);
    EXPECT_EQ(table.find(table.outside(binding, Family::kV6)), binding);
    EXPECT_EQ(table.flow(binding), FlowIndex{100 + i});
  }
}

TEST(BindingTable, FindRefusesWhatIsFreeOrNotOfTheRange) {
  BindingTable table(range_of(5));
  EXPECT_FALSE(table.find(endpoint("198.18.0.254:65533")));  // never claimed
  for (std::uint32_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(table.claim(FlowIndex{i}));
  }
  ASSERT_TRUE(table.find(endpoint("198.18.0.255:65534")));

  for (const char* outside :
       {"198.18.0.253:65533", "198.18.0.254:65532", "198.18.0.254:0",
        "198.18.0.255:65535",  // would be slot 5 of 5
        "198.18.1.0:65533", "197.18.0.254:65533", "0.0.0.0:65533", "255.255.255.255:65535",
        "[fd00:6c67::fffd]:65533", "[fd00:6c67::ffff]:65535", "[fd00:6c68::fffe]:65533",
        "[fd00:6c67:0:1::fffe]:65533", "[::]:65533", "[::c612:fe]:65533"}) {
    EXPECT_FALSE(table.find(endpoint(outside))) << outside;
  }
}

// By the arithmetic alone, a port beside the range would be a slot of the neighbouring address.
TEST(BindingTable, FindRefusesPortsBesideTheRange) {
  BindingRange range = range_of(9);
  range.first_port = Port{1000};
  range.last_port = Port{1002};
  BindingTable table(range);
  for (std::uint32_t i = 0; i < 9; ++i) {
    ASSERT_TRUE(table.claim(FlowIndex{i}));
  }
  ASSERT_TRUE(table.find(endpoint("198.18.0.255:1000")));

  for (const char* outside : {"198.18.0.255:999", "198.18.0.255:1003", "198.18.0.255:65535"}) {
    EXPECT_FALSE(table.find(endpoint(outside))) << outside;
  }
}

// Far behind the range, slot 2^33 + 1 is not slot 1.
TEST(BindingTable, FindRefusesAddressesBeyond32BitsOfSlots) {
  BindingTable table(range_of(7));
  for (std::uint32_t i = 0; i < 7; ++i) {
    ASSERT_TRUE(table.claim(FlowIndex{i}));
  }
  EXPECT_EQ(table.find(endpoint("[fd00:6c67::fffe]:65534")), BindingIndex{1});
  EXPECT_FALSE(table.find(endpoint("[fd00:6c67::aaab:aaa9]:65533")));
}

TEST(BindingTable, FindForgetsAReleasedSlot) {
  BindingTable table(range_of(7));
  const BindingIndex binding = table.claim(FlowIndex{1}).value();
  const Endpoint outside = table.outside(binding, Family::kV4);
  table.release(binding);

  EXPECT_FALSE(table.find(outside));
  EXPECT_EQ(table.claimed(), 0u);
}

TEST(BindingTable, FreshSlotsAreUsedBeforeReleasedOnes) {
  BindingTable table(range_of(3));
  const BindingIndex first = table.claim(FlowIndex{1}).value();
  table.release(first);

  EXPECT_NE(table.claim(FlowIndex{2}).value(), first);
  EXPECT_NE(table.claim(FlowIndex{3}).value(), first);
  EXPECT_EQ(table.claim(FlowIndex{4}).value(), first);
}

TEST(BindingTable, ReleasedSlotsComeBackInTheOrderOfTheirRelease) {
  BindingTable table(range_of(4));
  std::vector<BindingIndex> slots;
  for (std::uint32_t i = 0; i < 4; ++i) {
    slots.push_back(table.claim(FlowIndex{i}).value());
  }
  for (const std::size_t i : {2U, 0U, 3U}) {
    table.release(slots[i]);
  }

  EXPECT_EQ(table.claim(FlowIndex{10}).value(), slots[2]);
  table.release(slots[1]);
  EXPECT_EQ(table.claim(FlowIndex{11}).value(), slots[0]);
  EXPECT_EQ(table.claim(FlowIndex{12}).value(), slots[3]);
  EXPECT_EQ(table.claim(FlowIndex{13}).value(), slots[1]);
}

TEST(BindingTable, ExhaustionRefusesAndOneReleaseMakesRoom) {
  BindingTable table(range_of(2));
  const BindingIndex first = table.claim(FlowIndex{1}).value();
  const BindingIndex second = table.claim(FlowIndex{2}).value();

  const auto third = table.claim(FlowIndex{3});
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error(), Drop::kNoFreeBinding);
  EXPECT_EQ(table.flow(first), FlowIndex{1});
  EXPECT_EQ(table.flow(second), FlowIndex{2});
  EXPECT_EQ(table.claimed(), 2u);

  table.release(second);
  EXPECT_EQ(table.claim(FlowIndex{3}).value(), second);
  EXPECT_FALSE(table.claim(FlowIndex{4}));
}

// Pitfall 2a #2: a bare port counter wraps and hands a live connection's port to another flow.
TEST(BindingTable, LiveSlotIsNeverHandedOutHoweverOftenTheRangeIsCycled) {
  BindingTable table(range_of(16));
  const BindingIndex kept = table.claim(FlowIndex{999}).value();

  for (std::uint32_t i = 0; i < 16 * 100; ++i) {
    const BindingIndex passing = table.claim(FlowIndex{i}).value();
    ASSERT_NE(passing, kept);
    table.release(passing);
  }

  EXPECT_EQ(table.flow(kept), FlowIndex{999});
  EXPECT_EQ(table.find(table.outside(kept, Family::kV4)), kept);
}

// However many are live: two flows never hold one slot.
TEST(BindingTable, LiveSlotsStayApartUnderChurn) {
  constexpr std::uint32_t kSlots = 16;
  BindingTable table(range_of(kSlots));
  std::vector<BindingIndex> live;
  std::uint32_t random = 1;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    random = random * 1664525 + 1013904223;
    if (live.size() == kSlots || (!live.empty() && (random >> 31U) != 0)) {
      const std::size_t at = (random >> 8U) % live.size();
      table.release(live[at]);
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(at));
    } else {
      live.push_back(table.claim(FlowIndex{i}).value());
    }
    ASSERT_EQ(std::set(live.begin(), live.end()).size(), live.size());
    ASSERT_EQ(table.claimed(), live.size());
  }
}

TEST(BindingTable, WholeDefaultRangeFitsItsAddresses) {
  BindingTable table({.first_v4 = IpAddress::parse("198.18.0.1").value(),
                      .first_v6 = IpAddress::parse("fd00::1").value()});
  const BindingIndex last{table.capacity() - 1};

  EXPECT_EQ(table.outside(last, Family::kV4), endpoint("198.18.0.17:17407"));
}

TEST(BindingTableDeathTest, ReleasingTwiceAborts) {
  BindingTable table(range_of(4));
  const BindingIndex binding = table.claim(FlowIndex{1}).value();
  table.release(binding);

  EXPECT_DEATH(table.release(binding), "CHECK failed");
  EXPECT_DEATH(table.release(BindingIndex{3}), "CHECK failed");
  EXPECT_DEATH((void)table.flow(binding), "CHECK failed");
}

TEST(BindingTableDeathTest, RangeThatWrapsAroundAborts) {
  BindingRange range = range_of(7);
  range.first_v4 = IpAddress::parse("255.255.255.254").value();
  EXPECT_DEATH(BindingTable{range}, "CHECK failed");
  range = range_of(7);
  range.first_v6 = IpAddress::parse("fd00::ffff:fffe").value();
  EXPECT_DEATH(BindingTable{range}, "CHECK failed");
}

TEST(BindingTable, RangeMayEndAtTheLastAddress) {
  BindingRange range = range_of(1);
  range.slots = std::uint32_t{number(range.last_port)} - number(range.first_port) + 1;
  range.first_v4 = IpAddress::parse("255.255.255.255").value();
  range.first_v6 = IpAddress::parse("fd00::ffff:ffff").value();
  EXPECT_EQ(BindingTable(range).capacity(), range.slots);
  ++range.slots;
  EXPECT_DEATH(BindingTable{range}, "CHECK failed");
}

TEST(BindingTable, FlowMayHoldTwoSlotsAndEachFindsIt) {
  BindingTable table(range_of(7));
  const BindingIndex client = table.claim(FlowIndex{5}).value();
  const BindingIndex server = table.claim(FlowIndex{5}).value();
  table.set_note(client, number(server));

  EXPECT_NE(client, server);
  EXPECT_EQ(table.flow(*table.find(table.outside(client, Family::kV4))), FlowIndex{5});
  EXPECT_EQ(table.flow(*table.find(table.outside(server, Family::kV4))), FlowIndex{5});
  EXPECT_EQ(table.note(client), number(server));
}

TEST(BindingTable, NoteGoesWithItsHolderAndHarmsNoFreeSlot) {
  BindingTable table(range_of(3));
  for (std::uint32_t i = 0; i < 3; ++i) {
    const BindingIndex binding = table.claim(FlowIndex{i}).value();
    EXPECT_EQ(table.note(binding), flows::kNone32);
    table.set_note(binding, 40000 + i);
  }
  for (const std::uint32_t slot : {1U, 0U, 2U}) {
    table.release(BindingIndex{slot});
  }
  for (const std::uint32_t slot : {1U, 0U, 2U}) {
    const BindingIndex binding = table.claim(FlowIndex{9}).value();
    EXPECT_EQ(binding, BindingIndex{slot}) << "in the order of their release";
    EXPECT_EQ(table.note(binding), flows::kNone32);
  }
}

}  // namespace
}  // namespace nat
