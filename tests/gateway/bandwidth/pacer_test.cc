// Turns of flows that share a bandwidth, with a made clock.
#include <functional>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "gateway/bandwidth/bandwidth.h"

namespace gateway {
namespace {

using namespace std::chrono_literals;

constexpr base::Instant kStart{std::chrono::hours(1)};
constexpr std::uint64_t kTenMegabits =
    10'000'000;  // 1.25 MB/s; bursts of 125 kB, shares of 6,250 B

class PacerTest : public testing::Test, public Pacer::Alarm {
 protected:
  // A relay's direction that never runs out of bytes, unless it is told to stop.
  struct Reader final : PacedDirection {
    Reader(PacerTest& of, Bounds with) : test(of), bounds(with) {}

    void take_turn() override {
      ++turns;
      run();
    }
    // As an edge of epoll, or its turn, has it do.
    void run() {
      while (!stopped && test.pacer_.may_go(*this, bounds, test.now_)) {
        const std::uint32_t bytes = std::min(bounds.share_bytes(), most);
        bounds.take(bytes, test.now_);
        moved += bytes;
        if (is_empty_after_a_share) {
          return;
        }
      }
    }

    PacerTest& test;
    Bounds bounds;
    std::uint64_t moved = 0;
    std::uint64_t turns = 0;
    std::uint32_t most = 1U << 30U;
    bool stopped = false;
    bool is_empty_after_a_share = false;
  };

  void ring_at(base::Instant when) override {
    rings_at_ = when;
    ++settings_of_alarm_;
  }

  // Time passes, and the alarm rings when it has been set for.
  void pass(base::Duration time, const std::function<void()>& meanwhile = {}) {
    const base::Instant end = now_ + time;
    while (now_ < end) {
      now_ = std::min(end, std::max(rings_at_, now_ + 1us));
      if (meanwhile) {
        meanwhile();
      }
      if (now_ >= rings_at_) {
        rings_at_ = base::Instant::max();
        ++rings_;
        pacer_.serve(now_);
      }
    }
  }

  base::Instant now_ = kStart;
  base::Instant rings_at_ = base::Instant::max();
  std::uint64_t rings_ = 0;
  std::uint64_t settings_of_alarm_ = 0;
  Pacer pacer_{*this};
};

TEST_F(PacerTest, KeepsTheRateAfterTheBurst) {
  Bandwidth bound(kTenMegabits, now_);
  Reader reader(*this, {.rule = &bound});
  reader.run();
  EXPECT_NEAR(static_cast<double>(reader.moved), 125'000, 6'250) << "a burst of 0.1 s";
  pass(10s);
  EXPECT_NEAR(static_cast<double>(reader.moved), 12'625'000, 12'500);
  EXPECT_EQ(bound.count(now_).bytes, reader.moved);
  EXPECT_LE(rings_, 5'000u) << "at most 500 times a second";
}

TEST_F(PacerTest, SetsNoAlarmWhileNobodyWaits) {
  Bandwidth bound(kTenMegabits, now_);
  Reader reader(*this, {.rule = &bound});
  reader.most = 100;
  EXPECT_TRUE(pacer_.may_go(reader, reader.bounds, now_));
  EXPECT_EQ(settings_of_alarm_, 0u);
  reader.most = 1U << 30U;
  reader.run();
  EXPECT_EQ(settings_of_alarm_, 1u);
  reader.stopped = true;
  pass(1s);
  EXPECT_LE(rings_, 2u) << "and it is quiet again";
  EXPECT_FALSE(reader.is_waiting());
}

// However little a turn moves: credit for it is there long before the next alarm.
TEST_F(PacerTest, AlarmRingsAtMost500TimesASecond) {
  Bandwidth bound(10 * kTenMegabits, now_);
  Reader reader(*this, {.rule = &bound});
  reader.most = 1'500;
  reader.run();
  pass(10s);
  EXPECT_LE(rings_, 5'000u);
  EXPECT_NEAR(static_cast<double>(reader.moved), 126'250'000, 125'000);
}

TEST_F(PacerTest, WhoComesAfterAllOthersHaveGoneIsServed) {
  Bandwidth bound(kTenMegabits, now_);
  Reader first(*this, {.rule = &bound});
  first.run();
  first.stopped = true;
  pass(1s);
  EXPECT_FALSE(first.is_waiting());
  Reader late(*this, {.rule = &bound});
  late.run();
  EXPECT_TRUE(late.is_waiting());
  const std::uint64_t burst = late.moved;
  pass(1s);
  EXPECT_NEAR(static_cast<double>(late.moved - burst), 1'250'000, 2 * 6'250);
}

TEST_F(PacerTest, EveryBoundsLineIsServedHoweverManyStandInAnothers) {
  Bandwidth crowded(kTenMegabits, now_);
  Bandwidth bound(kTenMegabits, now_);
  Reader one(*this, {.rule = &crowded});
  Reader other(*this, {.rule = &crowded});
  Reader alone(*this, {.rule = &bound});
  for (Reader* reader : {&one, &other, &alone}) {
    reader->run();
  }
  pass(10s);
  EXPECT_NEAR(static_cast<double>(one.moved + other.moved), 12'625'000, 12'500);
  EXPECT_NEAR(static_cast<double>(alone.moved), 12'625'000, 12'500);
}

TEST_F(PacerTest, EverybodyInLineGetsTheSame) {
  Bandwidth bound(kTenMegabits, now_);
  std::vector<std::unique_ptr<Reader>> readers;
  for (int i = 0; i < 7; ++i) {
    readers.push_back(std::make_unique<Reader>(*this, Bounds{.rule = &bound}));
    readers.back()->run();
  }
  const std::uint64_t burst = readers.front()->moved;
  pass(20s);
  for (const auto& reader : readers) {
    const std::uint64_t paced = reader->moved - (reader == readers.front() ? burst : 0);
    EXPECT_NEAR(static_cast<double>(paced), 25'000'000.0 / 7, 2 * 6'250);
  }
}

// Its bytes come just when there is credit again, before the alarm has rung: without a line it
// would have all of it.
TEST_F(PacerTest, WhoComesWhileOthersWaitStandsInLine) {
  Bandwidth bound(kTenMegabits, now_);
  Reader patient(*this, {.rule = &bound});
  patient.run();
  const std::uint64_t burst = patient.moved;
  Reader eager(*this, {.rule = &bound});
  eager.is_empty_after_a_share = true;
  pass(10s, [&] { eager.run(); });
  EXPECT_NEAR(static_cast<double>(patient.moved - burst), 6'250'000, 2 * 6'250);
  EXPECT_NEAR(static_cast<double>(eager.moved), 6'250'000, 2 * 6'250);
}

TEST_F(PacerTest, FlowIsBoundByItsRuleAndByItsTenant) {
  Bandwidth rule(kTenMegabits, now_);
  Bandwidth tenant(2 * kTenMegabits, now_);
  Reader bound_twice(*this, {.rule = &rule, .tenant = &tenant});
  Reader bound_once(*this, {.tenant = &tenant});
  bound_twice.run();
  bound_once.run();
  pass(10s);
  const auto both = static_cast<double>(bound_twice.moved + bound_once.moved);
  EXPECT_NEAR(both, 25'250'000, 25'000);
  EXPECT_LE(bound_twice.moved, 12'640'000u);
  EXPECT_GT(bound_twice.moved, 8'000'000u);
  EXPECT_GT(bound_once.moved, 8'000'000u);
}

TEST_F(PacerTest, SlowBoundStillMovesAPacketAtATime) {
  Bandwidth bound(8'000, now_);  // 1,000 bytes a second
  Reader reader(*this, {.rule = &bound});
  reader.run();
  EXPECT_NEAR(static_cast<double>(reader.moved), 16'384, 1'500);
  pass(100s);
  EXPECT_NEAR(static_cast<double>(reader.moved), 116'384, 3'000);
}

// A share is 256 KiB here, and the bound gives 25 MB in the time of an alarm.
TEST_F(PacerTest, FastBoundIsNotHeldUpByTheAlarm) {
  Bandwidth bound(100'000'000'000, now_);
  Reader one(*this, {.rule = &bound});
  Reader other(*this, {.rule = &bound});
  one.run();
  other.run();
  pass(1s);
  EXPECT_GT(one.moved + other.moved, 12'500'000'000u);
}

TEST_F(PacerTest, WhoGoesLeavesTheLine) {
  Bandwidth bound(kTenMegabits, now_);
  auto gone = std::make_unique<Reader>(*this, Bounds{.rule = &bound});
  Reader stays(*this, {.rule = &bound});
  gone->run();
  stays.run();
  EXPECT_EQ(bound.count(now_).waiting_now, 2u);
  gone.reset();
  EXPECT_EQ(bound.count(now_).waiting_now, 1u);
  pass(1s);
  EXPECT_GT(stays.moved, 1'000'000u);
  EXPECT_EQ(bound.count(now_).waiting_now, 1u);
}

// A relay ends, and is destroyed, in its own turn or takes another with it.
TEST_F(PacerTest, TurnMayDestroyWhoTakesIt) {
  struct Last final : PacedDirection {
    explicit Last(std::vector<std::unique_ptr<Last>>& of) : all(of) {}
    void take_turn() override { all.clear(); }
    std::vector<std::unique_ptr<Last>>& all;
  };
  Bandwidth bound(kTenMegabits, now_);
  bound.set_rate(8'000, now_);
  Bounds{.rule = &bound}.take(20'000, now_);
  std::vector<std::unique_ptr<Last>> all;
  for (int i = 0; i < 3; ++i) {
    all.push_back(std::make_unique<Last>(all));
    EXPECT_FALSE(pacer_.may_go(*all.back(), {.rule = &bound}, now_));
  }
  pass(10s);
  EXPECT_TRUE(all.empty());
  EXPECT_EQ(bound.count(now_).waiting_now, 0u);
}

TEST_F(PacerTest, NewRateHoldsAtOnce) {
  Bandwidth bound(kTenMegabits, now_);
  Reader reader(*this, {.rule = &bound});
  reader.run();
  pass(1s);
  const std::uint64_t before = reader.moved;
  bound.set_rate(2 * kTenMegabits, now_);
  pass(10s);
  EXPECT_NEAR(static_cast<double>(reader.moved - before), 25'250'000, 50'000);
  EXPECT_EQ(reader.bounds.share_bytes(), 12'500u) << "what it gives in 5 ms";
}

// A reload that changes something else.
TEST_F(PacerTest, SameRateAgainGivesNoNewBurst) {
  Bandwidth bound(kTenMegabits, now_);
  const Bounds bounds{.rule = &bound};
  bounds.take(200'000, now_);
  bound.set_rate(kTenMegabits, now_);
  EXPECT_FALSE(bounds.admit_packets({.packets = 1, .bytes = 100}, now_));
}

TEST_F(PacerTest, WhoWaitsForASlowRateGoesOnWhenItIsFaster) {
  Bandwidth bound(8'000, now_);
  Bounds{.rule = &bound}.take(100'000, now_);  // more than a minute of debt
  Reader reader(*this, {.rule = &bound});
  reader.run();
  pass(1s);
  EXPECT_EQ(reader.moved, 0u);
  bound.set_rate(kTenMegabits, now_);
  pacer_.serve(now_);
  pass(1s);
  EXPECT_GT(reader.moved, 1'250'000u);
}

TEST_F(PacerTest, CountsHowOftenAndHowLongItHeldBack) {
  Bandwidth bound(kTenMegabits, now_);
  Reader reader(*this, {.rule = &bound});
  reader.run();
  pass(10s);
  const BandwidthCount count = bound.count(now_);
  EXPECT_EQ(count.waits, reader.turns + 1);
  EXPECT_GT(count.waited, 9s) << "it has waited nearly all the time";
  EXPECT_LE(count.waited, 10s);
}

TEST_F(PacerTest, CountsWhatSomebodyHasWaitedWhoStillDoes) {
  Bandwidth bound(8'000, now_);
  Bounds{.rule = &bound}.take(100'000, now_);
  Reader reader(*this, {.rule = &bound});
  reader.run();
  pass(10s);
  EXPECT_EQ(bound.count(now_).waiting_now, 1u);
  EXPECT_EQ(bound.count(now_).waited, 10s);
}

TEST_F(PacerTest, PacketsBeyondTheBoundAreDroppedAndCounted) {
  Bandwidth bound(kTenMegabits, now_);
  const Bounds bounds{.rule = &bound};
  std::uint64_t passed = 0;
  for (int i = 0; i < 100'000; ++i) {  // 100 Mbit/s for 10 s
    now_ += 100us;
    passed += bounds.admit_packets({.packets = 1, .bytes = 1'250}, now_) ? 1U : 0U;
  }
  EXPECT_NEAR(static_cast<double>(passed), 10'100, 10);
  const BandwidthCount count = bound.count(now_);
  EXPECT_EQ(count.bytes, passed * 1'250);
  EXPECT_EQ(count.dropped.packets, 100'000 - passed);
  EXPECT_EQ(count.dropped.bytes, (100'000 - passed) * 1'250);
}

TEST_F(PacerTest, PacketThatTheTenantHasNoRoomForCostsTheRuleNothing) {
  Bandwidth rule(kTenMegabits, now_);
  Bandwidth tenant(8'000, now_);
  Bounds{.tenant = &tenant}.take(20'000, now_);
  EXPECT_FALSE((Bounds{.rule = &rule, .tenant = &tenant}).admit_packets({1, 1'000}, now_));
  EXPECT_EQ(rule.count(now_).bytes, 0u);
  EXPECT_EQ(tenant.count(now_).dropped.packets, 1u);
}

// A flood of datagrams is one among those that wait.
TEST_F(PacerTest, DatagramsDoNotStarveConnectionsNorTheReverse) {
  Bandwidth bound(kTenMegabits, now_);
  const Bounds bounds{.rule = &bound};
  Reader reader(*this, bounds);
  reader.run();
  const std::uint64_t burst = reader.moved;
  std::uint64_t datagrams = 0;
  for (int i = 0; i < 100'000; ++i) {
    pass(100us);
    datagrams += bounds.admit_packets({.packets = 1, .bytes = 1'250}, now_) ? 1'250U : 0U;
  }
  const auto relayed = static_cast<double>(reader.moved - burst);
  EXPECT_NEAR(relayed + static_cast<double>(datagrams), 12'500'000, 125'000);
  EXPECT_NEAR(relayed, 6'250'000, 1'500'000);
}

}  // namespace
}  // namespace gateway
