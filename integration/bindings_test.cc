// When the NAT is full, the next flow is refused, and nobody who is in pays for it.

#include <cerrno>
#include <vector>

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/servers.h"

namespace integration {
namespace {

constexpr std::uint32_t kBindings = 8;

class Bindings : public testing::Test {
 protected:
  std::uint32_t claimed() { return gateway_.flowctl({"nat"}).at("claimed").get<std::uint32_t>(); }

  GatewayProcess gateway_{
      {.flows = kQuickTimeWait, .more = "nat: {bindings: " + std::to_string(kBindings) + "}"}};
  ClientNetwork client_{gateway_.onramp()};
  TcpServer server_ = TcpServer::echo();
};

TEST_F(Bindings, ExhaustionRefusesTheNextFlowAndSparesTheLiveOnes) {
  std::vector<TcpConnection> live;
  for (std::uint32_t i = 0; i < kBindings; ++i) {
    live.push_back(client_.connect(server_.endpoint()));
  }
  EXPECT_EQ(claimed(), kBindings);

  EXPECT_EQ(client_.try_connect(server_.endpoint()).value(), ECONNREFUSED);

  EXPECT_EQ(gateway_.flowctl({"nat"}).at("exhausted"), 1);
  for (TcpConnection& connection : live) {
    connection.send("alive");
    EXPECT_EQ(connection.receive(5), "alive");
  }
}

TEST_F(Bindings, OneCloseMakesRoomForOne) {
  std::vector<TcpConnection> live;
  for (std::uint32_t i = 0; i < kBindings; ++i) {
    live.push_back(client_.connect(server_.endpoint()));
  }
  live.front().finish_sending();
  EXPECT_EQ(live.front().wait_for_end(), End::kFin);
  ASSERT_TRUE(eventually([&] { return claimed() == kBindings - 1; }));

  TcpConnection next = client_.connect(server_.endpoint());
  next.send("in");
  EXPECT_EQ(next.receive(2), "in");
  live.back().send("still");
  EXPECT_EQ(live.back().receive(5), "still");
}

// Pitfall 2a #2: under churn a live connection is never re-pointed to another flow.
TEST_F(Bindings, LongLivedConnectionSurvivesTheChurnOfAllOthers) {
  TcpConnection kept = client_.connect(server_.endpoint());
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(eventually([&] { return claimed() < kBindings; }));
    TcpConnection passing = client_.connect(server_.endpoint());
    passing.send("p");
    ASSERT_EQ(passing.receive(1), "p");
    passing.finish_sending();
    ASSERT_EQ(passing.wait_for_end(), End::kFin);
    kept.send("k");
    ASSERT_EQ(kept.receive(1), "k");
  }
}

}  // namespace
}  // namespace integration
