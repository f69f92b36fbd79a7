#include "gateway/opening/arrivals.h"

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/no_tunnel.h"

namespace gateway {
namespace {

using test_support::NoTunnel;
using test_support::tenant_named;

class ArrivalsTest : public testing::Test {
 protected:
  ~ArrivalsTest() override {
    for (const auto& tunnel : tunnels_) {
      arrivals_.forget(*tunnel);
    }
  }
  Tunnel& tunnel_of(Tenant& tenant) {
    tunnels_.push_back(std::make_unique<NoTunnel>(tenant));
    return *tunnels_.back();
  }
  bool add(Tunnel& tunnel, std::string_view text) {
    std::vector<std::byte> bytes(text.size());
    std::memcpy(bytes.data(), text.data(), text.size());
    return arrivals_.add(tunnel, {.vnet = {}, .bytes = bytes});
  }
  std::string take() {
    const auto bytes = arrivals_.take().packet.bytes;
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::string take_all() {
    std::string all;
    while (!arrivals_.empty()) {
      all += take();
    }
    return all;
  }
  // As many as there is room for.
  std::uint32_t fill(Tunnel& tunnel) {
    std::uint32_t added = 0;
    while (add(tunnel, "x")) {
      ++added;
    }
    return added;
  }

  Tenant acme_{tenant_named("acme")};
  Tenant umbrella_{tenant_named("umbrella")};
  std::vector<std::unique_ptr<Tunnel>> tunnels_;
  Arrivals arrivals_;
};

TEST_F(ArrivalsTest, TenantsTakeTurnsAndTheirTunnelsDo) {
  Tunnel& a = tunnel_of(acme_);
  Tunnel& b = tunnel_of(acme_);
  Tunnel& c = tunnel_of(umbrella_);
  for (const char* text : {"1", "2", "3"}) {
    add(a, text);
  }
  add(b, "4");
  for (const char* text : {"5", "6", "7", "8", "9"}) {
    add(c, text);
  }
  EXPECT_EQ(take_all(), "154627389");
  EXPECT_TRUE(arrivals_.empty());
  EXPECT_EQ(a.arrivals.size(), 0U);
}

TEST_F(ArrivalsTest, WhoComesBackStandsBehindTheOthers) {
  Tunnel& a = tunnel_of(acme_);
  Tunnel& b = tunnel_of(umbrella_);
  add(a, "1");
  add(b, "2");
  add(b, "3");
  EXPECT_EQ(take(), "1");
  add(a, "4");
  EXPECT_EQ(take_all(), "243");
}

TEST_F(ArrivalsTest, APacketComesOutAsItWentInWithItsOuterPort) {
  Tunnel& tunnel = tunnel_of(acme_);
  tunnel.outer_port = base::Port{6081};
  std::vector<std::byte> bytes(Arrivals::kMostBytes, std::byte{7});
  ASSERT_TRUE(arrivals_.add(tunnel, {.vnet = {.flags = 1, .checksum_start = 20}, .bytes = bytes}));
  bytes.assign(bytes.size(), std::byte{8});
  tunnel.outer_port = {};

  const Arrivals::Arrival arrival = arrivals_.take();
  EXPECT_EQ(&arrival.tunnel, &tunnel);
  EXPECT_EQ(arrival.outer_port, base::Port{6081});
  EXPECT_EQ(arrival.packet.vnet.flags, 1);
  EXPECT_EQ(arrival.packet.vnet.checksum_start, 20);
  EXPECT_THAT(arrival.packet.bytes, testing::Each(std::byte{7}));
  EXPECT_EQ(arrival.packet.bytes.size(), Arrivals::kMostBytes);
  // There is room for the offload header in front of it (RawPacket).
  EXPECT_EQ(arrival.packet.to_wire().size(), RawPacket::kHeadroomBytes + Arrivals::kMostBytes);
}

TEST_F(ArrivalsTest, WhatIsTakenOutStaysWhileMoreComes) {
  Tunnel& tunnel = tunnel_of(acme_);
  add(tunnel, "first");
  const auto bytes = arrivals_.take().packet.bytes;
  add(tunnel, "other");
  EXPECT_EQ(std::memcmp(bytes.data(), "first", 5), 0);
}

TEST_F(ArrivalsTest, OneThatFloodsLeavesRoomForOthers) {
  const std::uint32_t shared = Arrivals::kMostPackets - Arrivals::kKept;
  EXPECT_NEAR(fill(tunnel_of(acme_)), (shared - Arrivals::kKept) / 3, 1);
  EXPECT_GT(fill(tunnel_of(acme_)), 50U);
  EXPECT_GT(fill(tunnel_of(umbrella_)), 100U);
}

TEST_F(ArrivalsTest, ATenantWithManyTunnelsThatFloodLeavesHalfOfTheRoom) {
  std::uint32_t added = 0;
  for (int tunnels = 0; tunnels < 2000; ++tunnels) {
    added += fill(tunnel_of(acme_));
  }
  EXPECT_EQ(added, (Arrivals::kMostPackets - Arrivals::kKept) / 2);
  EXPECT_GT(fill(tunnel_of(umbrella_)), 100U);
}

TEST_F(ArrivalsTest, ManyTenantsThatFloodLeaveAPlaceForEachThatDoesNot) {
  std::vector<std::unique_ptr<Tenant>> tenants;
  const auto another = [&]() -> Tenant& {
    return *tenants.emplace_back(std::make_unique<Tenant>(tenant_named("t")));
  };
  for (int flooding = 0; flooding < 32; ++flooding) {
    fill(tunnel_of(another()));
  }
  for (std::uint32_t quiet = 0; quiet < 64; ++quiet) {
    EXPECT_TRUE(add(tunnel_of(another()), "x"));
  }
  for (const auto& tunnel : tunnels_) {
    arrivals_.forget(*tunnel);
  }
  tunnels_.clear();  // before their tenants
}

TEST_F(ArrivalsTest, ATunnelOfAFloodingTenantMayAddOne) {
  for (int tunnels = 0; tunnels < 20; ++tunnels) {
    fill(tunnel_of(acme_));
  }
  EXPECT_TRUE(add(tunnel_of(acme_), "x"));
}

TEST_F(ArrivalsTest, WhatIsTakenMakesRoom) {
  Tunnel& tunnel = tunnel_of(acme_);
  const std::uint32_t first = fill(tunnel);
  std::uint32_t added = first;
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(take_all().size(), added);
    added = fill(tunnel);
    EXPECT_NEAR(added, first, 1);  // the one taken last is still lent
  }
}

TEST_F(ArrivalsTest, ALongPacketDoesNotWait) {
  EXPECT_FALSE(add(tunnel_of(acme_), std::string(Arrivals::kMostBytes + 1, 'x')));
  EXPECT_TRUE(arrivals_.empty());
}

TEST_F(ArrivalsTest, ATunnelThatGoesTakesItsPacketsWithIt) {
  Tunnel& a = tunnel_of(acme_);
  Tunnel& b = tunnel_of(acme_);
  add(a, "1");
  add(b, "2");
  add(a, "3");
  EXPECT_EQ(arrivals_.forget(a), 2U);
  EXPECT_EQ(arrivals_.forget(a), 0U);
  EXPECT_EQ(take_all(), "2");
  const std::uint32_t added = fill(b);
  EXPECT_EQ(arrivals_.forget(b), added);
  EXPECT_TRUE(arrivals_.empty());
  EXPECT_EQ(fill(a), added);
}

}  // namespace
}  // namespace gateway
