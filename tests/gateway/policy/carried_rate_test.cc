#include "gateway/policy/carried_rate.h"

#include <gtest/gtest.h>

namespace gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class CarriedRateTest : public testing::Test {
 protected:
  // Carries so many bytes by every tick, for so long.
  void carry(std::uint64_t bytes_a_tick, base::Duration span) {
    for (base::Duration passed{}; passed < span; passed += CarriedRate::kTick) {
      now_ += CarriedRate::kTick;
      bytes_ += bytes_a_tick;
      rate_.look(bytes_, now_);
    }
  }
  [[nodiscard]] std::uint64_t rate() const { return rate_.bits_per_second(bytes_, now_); }

  CarriedRate rate_;
  base::Instant now_{std::chrono::hours(1)};
  std::uint64_t bytes_ = 1'000'000'000;  // before anybody looked
};

TEST_F(CarriedRateTest, NobodyHasLookedSoItIsNothing) {
  EXPECT_EQ(rate(), 0U);
}

TEST_F(CarriedRateTest, SteadyOneIsWhatItIsAtTicksAndBetween) {
  carry(250'000, seconds(10));
  EXPECT_EQ(rate(), 8'000'000U);
  now_ += milliseconds(100);
  bytes_ += 100'000;
  EXPECT_NEAR(static_cast<double>(rate()), 8e6, 1);
}

TEST_F(CarriedRateTest, WhatWasCarriedBeforeTheFirstLookDoesNotCount) {
  carry(0, CarriedRate::kTick);
  EXPECT_EQ(rate(), 0U);
}

TEST_F(CarriedRateTest, FirstBytesAreSpreadOverASecond) {
  carry(0, CarriedRate::kTick);
  now_ += milliseconds(1);
  bytes_ += 1'500;
  EXPECT_EQ(rate(), 12'000U) << "not 12 Mbit/s, because it took a millisecond";
}

TEST_F(CarriedRateTest, BurstIsForgottenInOneAndAQuarterSeconds) {
  carry(0, seconds(2));
  bytes_ += 1'000'000;
  carry(0, seconds(1));
  EXPECT_GT(rate(), 0U);
  carry(0, milliseconds(500));
  EXPECT_EQ(rate(), 0U);
}

TEST_F(CarriedRateTest, LateTickIsAMeanOverLonger) {
  carry(250'000, seconds(2));
  now_ += seconds(9);
  bytes_ += 9'000'000;
  EXPECT_EQ(rate(), 8'000'000U);
}

TEST_F(CarriedRateTest, IsForgotten) {
  carry(250'000, seconds(2));
  rate_.forget();
  EXPECT_EQ(rate(), 0U);
  carry(0, CarriedRate::kTick);
  EXPECT_EQ(rate(), 0U);
}

}  // namespace
}  // namespace gateway
