#include "gateway/onramp/udp_segmentation.h"

#include <gtest/gtest.h>

namespace gateway {
namespace {

TEST(UdpSegmentation, KernelsThatSpoilWhatTheyCutAreKnownByTheirRelease) {
  for (const auto* spoils : {"7.0.0", "7.0", "7.0-rc1", "7.0.2-6-pve", "7.1.4", "7.1.4-amd64"}) {
    EXPECT_FALSE(cuts_datagrams_right(spoils)) << spoils;
  }
  for (const auto* right : {"6.18.44", "6.99.99-7.0", "7.1.5", "7.1.10", "7.2", "17.0.1", "5.8"}) {
    EXPECT_TRUE(cuts_datagrams_right(right)) << right;
  }
}

TEST(UdpSegmentation, AReleaseThatCannotBeReadIsTrusted) {
  for (const auto* unreadable : {"", "next", "99999999999999999999.0"}) {
    EXPECT_TRUE(cuts_datagrams_right(unreadable)) << unreadable;
  }
}

}  // namespace
}  // namespace gateway
