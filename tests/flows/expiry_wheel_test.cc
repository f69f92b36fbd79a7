#include "flows/expiry_wheel.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/flow_region.h"

namespace flows {
namespace {

using base::Instant;
using namespace std::chrono_literals;
using test_support::TestTable;

constexpr Instant kStart{1h + 17ms};  // between two ticks
constexpr auto kTick = ExpiryWheel::kTick;
constexpr auto kTurn = ExpiryWheel::kSlots * kTick;
constexpr std::uint32_t kNoLimit = std::numeric_limits<std::uint32_t>::max();

class ExpiryWheelTest : public testing::Test {
 protected:
  FlowIndex new_flow() { return made_.add(next_key_++); }
  FlowIndex armed(Instant deadline) {
    const FlowIndex index = new_flow();
    wheel_.arm(index, deadline);
    return index;
  }
  std::vector<FlowIndex> due_at(Instant now) {
    std::vector<FlowIndex> due;
    EXPECT_TRUE(wheel_.advance(now, kNoLimit, [&](FlowIndex index) { due.push_back(index); }));
    std::sort(due.begin(), due.end());
    return due;
  }

  TestTable made_{4096};
  ExpiryWheel wheel_{made_.table, kStart};
  std::uint32_t next_key_ = 0;
};

using Indices = std::vector<FlowIndex>;

TEST_F(ExpiryWheelTest, NeverFiresEarlyAndAtMostOneTickLate) {
  Instant now = kStart;
  for (const auto after : {1ns, 1ns * 100'000'000, 1ns * 249'999'999, 1ns * 250'000'000,
                           1ns * 3'000'000'001, 1ns * 900'000'000'000}) {
    const Instant deadline = now + after;
    now = deadline + kTick;
    const FlowIndex flow = armed(deadline);
    EXPECT_EQ(due_at(deadline - 1ns), Indices{}) << after.count();
    EXPECT_EQ(due_at(now), Indices{flow}) << after.count();
  }
}

TEST_F(ExpiryWheelTest, DeadlineOnATickFiresOnIt) {
  const Instant tick{1h + 1s};
  const FlowIndex flow = armed(tick);
  EXPECT_EQ(due_at(tick - 1ns), Indices{});
  EXPECT_EQ(due_at(tick), Indices{flow});
}

TEST_F(ExpiryWheelTest, DeadlineInThePastFiresWithTheNextTick) {
  const FlowIndex flow = armed(kStart - 30min);
  EXPECT_EQ(due_at(kStart), Indices{});
  EXPECT_EQ(due_at(kStart + kTick), Indices{flow});
}

TEST_F(ExpiryWheelTest, FiresOnce) {
  armed(kStart + 1s);
  EXPECT_EQ(due_at(kStart + 2s).size(), 1u);
  EXPECT_EQ(due_at(kStart + 2 * kTurn), Indices{});
}

TEST_F(ExpiryWheelTest, DeadlineBeyondTheRingWaitsForItsTurn) {
  const Instant deadline = kStart + 3 * kTurn + 5s;
  const FlowIndex flow = armed(deadline);
  for (Instant now = kStart; now < deadline; now += 7s) {
    ASSERT_EQ(due_at(now), Indices{});
  }
  EXPECT_EQ(due_at(deadline - 1ns), Indices{});
  EXPECT_EQ(due_at(deadline + kTick), Indices{flow});
}

TEST_F(ExpiryWheelTest, SlotSharedByTwoTurnsFiresEachInItsOwn) {
  const Instant deadline = kStart + 5s;
  const FlowIndex late = armed(deadline + kTurn);
  const FlowIndex soon = armed(deadline);
  const FlowIndex late_too = armed(deadline + kTurn);

  EXPECT_EQ(due_at(deadline + kTick), Indices{soon});
  EXPECT_EQ(due_at(deadline + kTurn - 1ns), Indices{});
  EXPECT_EQ(due_at(deadline + kTurn + kTick), (Indices{late, late_too}));
}

TEST_F(ExpiryWheelTest, JumpOverSeveralTurnsFiresAllThatIsDueAndNothingElse) {
  const FlowIndex first = armed(kStart + 1s);
  const FlowIndex second = armed(kStart + kTurn + 1s);
  const FlowIndex third = armed(kStart + 3 * kTurn);
  const FlowIndex later = armed(kStart + 9 * kTurn);

  EXPECT_EQ(due_at(kStart + 7 * kTurn), (Indices{first, second, third}));
  EXPECT_EQ(due_at(kStart + 9 * kTurn + kTick), Indices{later});
}

TEST_F(ExpiryWheelTest, ArmingAgainMovesTheDeadlineEitherWay) {
  const FlowIndex earlier = armed(kStart + 10s);
  const FlowIndex later = armed(kStart + 10s);
  wheel_.arm(earlier, kStart + 5s);
  wheel_.arm(later, kStart + 20s);

  EXPECT_EQ(due_at(kStart + 6s), Indices{earlier});
  EXPECT_EQ(due_at(kStart + 19s), Indices{});
  EXPECT_EQ(due_at(kStart + 21s), Indices{later});
}

TEST_F(ExpiryWheelTest, NeighboursOfAMovedFlowStayArmed) {
  const FlowIndex first = armed(kStart + 1s);
  const FlowIndex moved = armed(kStart + 1s);
  const FlowIndex last = armed(kStart + 1s);
  const FlowIndex elsewhere = armed(kStart + 1min);
  wheel_.arm(moved, kStart + 1min);

  EXPECT_EQ(due_at(kStart + 2s), (Indices{first, last}));
  EXPECT_EQ(due_at(kStart + 2min), (Indices{moved, elsewhere}));
}

TEST_F(ExpiryWheelTest, DisarmedFlowDoesNotFireAndItsNeighboursDo) {
  Indices flows;
  for (int i = 0; i < 3; ++i) {
    flows.push_back(armed(kStart + 1s));
  }
  wheel_.disarm(flows[1]);
  wheel_.disarm(flows[1]);  // does nothing
  made_.table.erase(flows[1]);

  EXPECT_EQ(due_at(kStart + 2s), (Indices{flows[0], flows[2]}));
}

TEST_F(ExpiryWheelTest, FlowIsDisarmedBeforeItIsShown) {
  armed(kStart + 1s);
  wheel_.advance(kStart + 2s, kNoLimit, [&](FlowIndex index) { made_.table.erase(index); });
  EXPECT_EQ(made_.table.size(), 0u);
}

TEST_F(ExpiryWheelTest, RearmedFromWithinDueFiresAgainLater) {
  const FlowIndex flow = armed(kStart + 1s);
  int calls = 0;
  const auto rearm = [&](FlowIndex index) {
    ++calls;
    wheel_.arm(index, kStart + 10s);
  };
  EXPECT_TRUE(wheel_.advance(kStart + 2s, kNoLimit, rearm));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(due_at(kStart + 9s), Indices{});
  EXPECT_EQ(due_at(kStart + 11s), Indices{flow});
}

// A deadline that has passed already must not be shown again in the same call, for ever.
TEST_F(ExpiryWheelTest, RearmedInThePastFromWithinDueFiresWithTheNextTick) {
  armed(kStart + 1s);
  int calls = 0;
  const auto rearm = [&](FlowIndex index) {
    ++calls;
    wheel_.arm(index, kStart);
  };
  const Instant now = kStart + 500 * kTick;
  EXPECT_TRUE(wheel_.advance(now, kNoLimit, rearm));
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(wheel_.advance(now, kNoLimit, rearm));
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(wheel_.advance(now + kTick, kNoLimit, rearm));
  EXPECT_EQ(calls, 2);
}

// Whichever of the slot's flows is shown first ends all the others, the next in line included.
TEST_F(ExpiryWheelTest, DueMayEraseOtherFlowsOfTheSameSlot) {
  const Indices flows{armed(kStart + 1s), armed(kStart + 1s), armed(kStart + 1s),
                      armed(kStart + 30s)};
  Indices shown;
  wheel_.advance(kStart + 2s, kNoLimit, [&](FlowIndex index) {
    shown.push_back(index);
    for (const FlowIndex flow : flows) {
      wheel_.disarm(flow);
      made_.table.erase(flow);
    }
  });
  EXPECT_EQ(shown.size(), 1u);
  EXPECT_EQ(made_.table.size(), 0u);
  EXPECT_EQ(due_at(kStart + 1min), Indices{});
}

TEST_F(ExpiryWheelTest, DueMayMoveTheNextInLineToAnotherTime) {
  const Indices flows{armed(kStart + 1s), armed(kStart + 1s), armed(kStart + 1s)};
  Indices shown;
  wheel_.advance(kStart + 2s, kNoLimit, [&](FlowIndex index) {
    shown.push_back(index);
    for (const FlowIndex flow : flows) {
      if (flow != index) {
        wheel_.arm(flow, kStart + 1min);
      }
    }
  });
  ASSERT_EQ(shown.size(), 1u);
  EXPECT_EQ(due_at(kStart + 2min).size(), 2u);
}

TEST_F(ExpiryWheelTest, BudgetIsRespectedAndTheRestComesWithTheNextCall) {
  Indices flows;
  for (int i = 0; i < 10; ++i) {
    flows.push_back(armed(kStart + 1s + (i % 3) * kTick));
  }
  Indices shown;
  const auto show = [&](FlowIndex index) { shown.push_back(index); };

  EXPECT_FALSE(wheel_.advance(kStart + 5s, 4, show));
  EXPECT_EQ(shown.size(), 4u);
  EXPECT_FALSE(wheel_.advance(kStart + 5s, 4, show));
  EXPECT_EQ(shown.size(), 8u);
  EXPECT_TRUE(wheel_.advance(kStart + 5s, 4, show));

  std::sort(shown.begin(), shown.end());
  EXPECT_EQ(shown, flows);
}

// Flows of later turns cost budget, too; they must not be looked at again from the start.
TEST_F(ExpiryWheelTest, SmallBudgetGetsPastFlowsOfALaterTurn) {
  const FlowIndex soon = armed(kStart + 1s);
  for (int i = 0; i < 20; ++i) {
    armed(kStart + 1s + kTurn);
  }
  Indices shown;
  int calls = 1;
  while (!wheel_.advance(kStart + 2s, 3, [&](FlowIndex index) { shown.push_back(index); })) {
    ASSERT_LT(++calls, 10);
  }
  EXPECT_EQ(calls, 7);  // 21 flows by threes
  EXPECT_EQ(shown, Indices{soon});
}

TEST_F(ExpiryWheelTest, LongJumpWhileTheBudgetIsShortLosesNothing) {
  Indices flows;
  for (int i = 0; i < 50; ++i) {
    flows.push_back(armed(kStart + 1s + i * 20s));
    flows.push_back(armed(kStart + 1s + i * 20s + kTurn));
  }
  Indices shown;
  Instant now = kStart + 2s;
  int calls = 0;
  while (shown.size() < flows.size()) {
    wheel_.advance(now, 7, [&](FlowIndex index) { shown.push_back(index); });
    now += kTurn / 3;
    ASSERT_LT(++calls, 200);
  }
  std::sort(shown.begin(), shown.end());
  EXPECT_EQ(shown, flows);
}

// The walk begins anew in the slot after the one that it had stopped in.
TEST_F(ExpiryWheelTest, JumpOverATurnFromTheMiddleOfASlotLosesNothing) {
  const Indices flows{armed(kStart + 1s), armed(kStart + 1s), armed(kStart + 1s + kTick)};
  Indices shown;
  const auto show = [&](FlowIndex index) { shown.push_back(index); };
  const Instant now = kStart + 1s + kTick;
  ASSERT_FALSE(wheel_.advance(now, 1, show));

  EXPECT_TRUE(wheel_.advance(now + 2 * kTurn, kNoLimit, show));

  std::sort(shown.begin(), shown.end());
  EXPECT_EQ(shown, flows);
}

TEST_F(ExpiryWheelTest, TimeThatStandsStillOrGoesBackIsHarmless) {
  const FlowIndex flow = armed(kStart + 1s);
  EXPECT_EQ(due_at(kStart + 500ms), Indices{});
  EXPECT_EQ(due_at(kStart), Indices{});
  EXPECT_EQ(due_at(kStart + 2s), Indices{flow});
}

// A record has 32 bits for the tick; what does not fit must not come out as a small number.
TEST_F(ExpiryWheelTest, DeadlineAtTheEndOfTimeIsNotNear) {
  armed(Instant::max());
  armed(kStart + 1s + (std::int64_t{1} << 32U) * kTick);
  EXPECT_EQ(due_at(kStart + 24h * 365), Indices{});
}

TEST_F(ExpiryWheelTest, ErasingAnArmedFlowAborts) {
  const FlowIndex flow = armed(kStart + 1s);
  EXPECT_DEATH(made_.table.erase(flow), "CHECK failed");
}

}  // namespace
}  // namespace flows
