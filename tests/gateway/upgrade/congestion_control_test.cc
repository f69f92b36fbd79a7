#include "gateway/upgrade/congestion_control.h"

#include <gtest/gtest.h>

namespace gateway {
namespace {

TEST(CongestionControl, HostThatDoesNotPaceIsLeftAlone) {
  for (const char* const host : {"cubic", "reno", "dctcp", ""}) {
    const CongestionControl chosen(host, "reno cubic", false);
    EXPECT_EQ(chosen.nearby(), "");
    netns::SandboxConfig config;
    chosen.add_to(config);
    EXPECT_TRUE(config.sysctls.empty()) << host;
  }
}

TEST(CongestionControl, NearbyIsTheBestThatAnybodyMayHave) {
  EXPECT_EQ(CongestionControl("bbr", "reno bbr cubic", false).nearby(), "cubic");
  EXPECT_EQ(CongestionControl("bbr", "reno bbr", false).nearby(), "reno");
  EXPECT_EQ(CongestionControl("bbr3", "cubic-of-somebody reno", false).nearby(), "reno");
  EXPECT_EQ(CongestionControl("bbr", "", false).nearby(), "reno");
}

TEST(CongestionControl, NamespacesGetWhatIsForThoseNearby) {
  netns::SandboxConfig config;
  CongestionControl("bbr", "reno bbr", false).add_to(config);
  EXPECT_EQ(
      config.sysctls,
      (std::vector<netns::Sysctl>{{.name = "net/ipv4/tcp_congestion_control", .value = "reno"}}));
}

TEST(CongestionControl, PacingForAllChangesNothing) {
  EXPECT_EQ(CongestionControl("bbr", "reno bbr cubic", true).nearby(), "");
}

}  // namespace
}  // namespace gateway
