#include "flows/byte_bucket.h"

#include <gtest/gtest.h>

namespace flows {
namespace {

using namespace std::chrono_literals;

constexpr base::Instant kStart{std::chrono::hours(1)};

TEST(ByteBucket, LetsItsBurstThroughAtOnceAndThenTheRate) {
  ByteBucket bucket(1'000, 500, kStart);
  EXPECT_TRUE(bucket.has_credit(kStart));
  bucket.take(500, kStart);
  EXPECT_FALSE(bucket.has_credit(kStart));
  EXPECT_TRUE(bucket.has_credit(kStart + 1ms));
}

TEST(ByteBucket, WhatWasTakenTooMuchIsMadeUpFor) {
  ByteBucket bucket(1'000, 500, kStart);
  bucket.take(1'500, kStart);  // one second of debt
  EXPECT_FALSE(bucket.has_credit(kStart + 999ms));
  EXPECT_EQ(bucket.next_credit(), kStart + 1s + 1ns);
  EXPECT_TRUE(bucket.has_credit(bucket.next_credit()));
}

TEST(ByteBucket, SavesUpNoMoreThanItsBurst) {
  ByteBucket bucket(1'000, 500, kStart);
  bucket.take(500, kStart + 10h);
  EXPECT_FALSE(bucket.has_credit(kStart + 10h));
}

TEST(ByteBucket, KeepsTheRateWhateverThePiecesAre) {
  for (const std::uint64_t piece : {40U, 1'500U, 65'536U}) {
    ByteBucket bucket(2'500'000, 100'000, kStart);
    base::Instant now = kStart;
    std::uint64_t passed = 0;
    while (now < kStart + 100s) {
      now = std::max(now, bucket.next_credit());
      bucket.take(piece, now);
      passed += piece;
    }
    EXPECT_NEAR(static_cast<double>(passed), 250'000'000.0 + 100'000.0, 0.01 * 250'000'000)
        << piece;
  }
}

TEST(ByteBucket, AClockThatStandsStillGivesNothing) {
  ByteBucket bucket(1'000'000'000, 1, kStart);
  bucket.take(2, kStart);
  EXPECT_FALSE(bucket.has_credit(kStart));
  EXPECT_FALSE(bucket.has_credit(kStart - 1s));
}

}  // namespace
}  // namespace flows
