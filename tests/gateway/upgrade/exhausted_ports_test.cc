#include "gateway/upgrade/exhausted_ports.h"

#include <cstdint>

#include <gtest/gtest.h>

namespace gateway {
namespace {

using base::Endpoint;
using base::Instant;

constexpr Instant kNow{std::chrono::hours(1)};

Endpoint upstream(std::uint16_t port) {
  return {base::IpAddress::v4(0xc0000201), base::Port{port}};
}

TEST(ExhaustedPorts, HoldsAnUpstreamForAMoment) {
  ExhaustedPorts exhausted;
  exhausted.add(upstream(443), kNow);
  EXPECT_TRUE(exhausted.holds(upstream(443), kNow));
  EXPECT_TRUE(
      exhausted.holds(upstream(443), kNow + ExhaustedPorts::kMoment - std::chrono::nanoseconds(1)));
  EXPECT_FALSE(exhausted.holds(upstream(443), kNow + ExhaustedPorts::kMoment));
}

TEST(ExhaustedPorts, HoldsNoOtherUpstream) {
  ExhaustedPorts exhausted;
  EXPECT_FALSE(exhausted.holds(Endpoint{}, Instant{}));
  exhausted.add(upstream(443), kNow);
  EXPECT_FALSE(exhausted.holds(upstream(444), kNow));
  EXPECT_FALSE(exhausted.holds({base::IpAddress::v4(0xc0000202), base::Port{443}}, kNow));
}

TEST(ExhaustedPorts, ForgetsTheFirstOfTooMany) {
  ExhaustedPorts exhausted;
  for (std::uint16_t port = 0; port <= ExhaustedPorts::kMost; ++port) {
    exhausted.add(upstream(port), kNow);
  }
  EXPECT_FALSE(exhausted.holds(upstream(0), kNow));
  for (std::uint16_t port = 1; port <= ExhaustedPorts::kMost; ++port) {
    EXPECT_TRUE(exhausted.holds(upstream(port), kNow)) << port;
  }
}

}  // namespace
}  // namespace gateway
