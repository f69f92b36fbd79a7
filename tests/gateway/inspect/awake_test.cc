#include "gateway/inspect/awake.h"

#include <gtest/gtest.h>

namespace gateway {
namespace {

using std::chrono_literals::operator""s;

TEST(Awake, IsSinceItBeganWhileItLooksInTime) {
  const base::Instant start{};
  Awake awake(start);
  for (base::Instant now = start; now < start + 60s; now += Awake::kLookEvery) {
    awake.look(now);
  }
  EXPECT_EQ(awake.since(), start);
}

TEST(Awake, IsSinceItLookedAfterItHadBeenStopped) {
  const base::Instant start{};
  Awake awake(start);
  awake.look(start + 2s);
  EXPECT_EQ(awake.since(), start);
  awake.look(start + 10s);
  EXPECT_EQ(awake.since(), start + 10s);
  awake.look(start + 11s);
  EXPECT_EQ(awake.since(), start + 10s);
}

// Or whoever asked a shard that hangs, again and again, would keep it from being called stuck.
TEST(Awake, IsNotJudgedByHowLongItHasWaited) {
  const base::Instant start{};
  Awake awake(start);
  for (base::Instant now = start; now < start + 30s; now += 3s) {
    awake.look(now);
    awake.has_waited(now + 3s);
  }
  EXPECT_EQ(awake.since(), start);
}

}  // namespace
}  // namespace gateway
