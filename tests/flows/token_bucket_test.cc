#include "flows/token_bucket.h"

#include <chrono>

#include <gtest/gtest.h>

namespace flows {
namespace {

using namespace std::chrono_literals;

constexpr base::Instant kStart = base::Instant(std::chrono::hours(1));

int taken_at(TokenBucket& bucket, base::Instant now) {
  int taken = 0;
  while (bucket.take(now)) {
    ++taken;
  }
  return taken;
}

TEST(TokenBucket, GivesABurstAndThenItsRate) {
  TokenBucket bucket(10, 3);
  EXPECT_EQ(taken_at(bucket, kStart), 3);
  EXPECT_EQ(taken_at(bucket, kStart + 99ms), 0);
  EXPECT_EQ(taken_at(bucket, kStart + 100ms), 1);
  EXPECT_EQ(taken_at(bucket, kStart + 300ms), 2);
}

TEST(TokenBucket, SavesNoMoreThanABurst) {
  TokenBucket bucket(10, 3);
  EXPECT_EQ(taken_at(bucket, kStart), 3);
  EXPECT_EQ(taken_at(bucket, kStart + 1h), 3);
}

}  // namespace
}  // namespace flows
