#include "tools/flowctl/human.h"

#include <gtest/gtest.h>

namespace flowctl {
namespace {

TEST(HumanBytes, HaveTwoDigitsOrMore) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1024), "1.0 KiB");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(10 * 1024), "10 KiB");
  EXPECT_EQ(human_bytes(1024 * 1024 - 1), "1023 KiB");
  EXPECT_EQ(human_bytes(1024 * 1024), "1.0 MiB");
  EXPECT_EQ(human_bytes(5ULL << 40U), "5.0 TiB");
  EXPECT_EQ(human_bytes(UINT64_MAX), "15 EiB");
}

TEST(HumanDuration, HasTwoUnitsAtMost) {
  EXPECT_EQ(human_duration(0), "0ms");
  EXPECT_EQ(human_duration(999), "999ms");
  EXPECT_EQ(human_duration(1'000), "1s");
  EXPECT_EQ(human_duration(59'999), "59s");
  EXPECT_EQ(human_duration(60'000), "1m00s");
  EXPECT_EQ(human_duration(3'599'000), "59m59s");
  EXPECT_EQ(human_duration(7'380'000), "2h03m");
  EXPECT_EQ(human_duration(86'400'000), "1d00h");
  EXPECT_EQ(human_duration(40LL * 86'400'000), "40d00h");
}

}  // namespace
}  // namespace flowctl
