#include "gateway/opening/time_share.h"

#include <gtest/gtest.h>

namespace gateway {
namespace {

using namespace std::chrono_literals;
using base::Instant;

constexpr Instant kNow{std::chrono::hours(1)};

TEST(TimeShare, LetsTakeABurstAtOnce) {
  TimeShare share(10, 5ms);
  share.spend(kNow - 4ms, kNow);
  EXPECT_TRUE(share.has_time(kNow));
  share.spend(kNow, kNow + 2ms);
  EXPECT_FALSE(share.has_time(kNow + 2ms));
}

TEST(TimeShare, GivesOneOfTenInTheLongRun) {
  TimeShare share(10, 5ms);
  base::Duration taken{};
  for (Instant now = kNow; now < kNow + 10s; now += 100us) {
    if (share.has_time(now)) {
      share.spend(now, now + 50us);
      taken += 50us;
    }
  }
  EXPECT_NEAR(std::chrono::duration<double>(taken).count(), 1.0, 0.01);
}

TEST(TimeShare, WhatWasOverdrawnIsPaidBack) {
  TimeShare share(10, 5ms);
  share.spend(kNow, kNow + 8ms);  // three more than was saved up
  EXPECT_FALSE(share.has_time(kNow + 8ms + 29ms));
  EXPECT_TRUE(share.has_time(kNow + 8ms + 30ms));
}

TEST(TimeShare, NoMoreThanTheBurstIsEverOwed) {
  TimeShare share(10, 5ms);
  share.spend(kNow, kNow + 5min);  // the process was stopped
  EXPECT_FALSE(share.has_time(kNow + 5min + 49ms));
  EXPECT_TRUE(share.has_time(kNow + 5min + 50ms));
}

TEST(TimeShare, SavesUpNoMoreThanTheBurst) {
  TimeShare share(10, 5ms);
  share.spend(kNow + 1h, kNow + 1h + 6ms);
  EXPECT_FALSE(share.has_time(kNow + 1h + 6ms));
}

}  // namespace
}  // namespace gateway
