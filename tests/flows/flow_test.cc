#include "flows/flow.h"

#include <set>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

namespace flows {
namespace {

TEST(Flow, NamesAreThoseOfTheContract) {
  EXPECT_EQ(name(Action::kUpgrade), "upgrade");
  EXPECT_EQ(name(Action::kForward), "forward");
  EXPECT_EQ(name(Action::kReject), "reject");
  EXPECT_EQ(name(Action::kDrop), "drop");
  EXPECT_EQ(name(Action::kDowngrade), "downgrade");

  EXPECT_EQ(name(FlowState::kDialing), "dialing");
  EXPECT_EQ(name(FlowState::kSynReceived), "syn_received");
  EXPECT_EQ(name(FlowState::kEstablished), "established");
  EXPECT_EQ(name(FlowState::kClosing), "closing");
  EXPECT_EQ(name(FlowState::kTimeWait), "time_wait");
}

TEST(Flow, EveryEndReasonHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (int reason = 0; reason <= static_cast<int>(EndReason::kShutdown); ++reason) {
    names.insert(name(static_cast<EndReason>(reason)));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(EndReason::kShutdown) + 1);
  EXPECT_FALSE(names.contains("unknown"));
  EXPECT_TRUE(names.contains("reset_by_client"));
  EXPECT_TRUE(names.contains("sandbox_lost"));
}

// flowctl names what it finds in memory that another process wrote.
// NOLINTBEGIN(clang-analyzer-optin.core.EnumCastOutOfRange): such numbers are the point
TEST(Flow, NumbersThatAreNoEnumeratorHaveANameToo) {
  EXPECT_EQ(name(static_cast<Action>(200)), "unknown");
  EXPECT_EQ(name(static_cast<FlowState>(200)), "unknown");
  EXPECT_EQ(name(static_cast<EndReason>(200)), "unknown");
  EXPECT_EQ(name(static_cast<TcpPhase>(200)), "unknown");
}

TEST(Protocol, OthersAreTheirNumber) {
  EXPECT_EQ(protocol_name(Protocol::kTcp), "tcp");
  EXPECT_EQ(protocol_name(Protocol::kUdp), "udp");
  EXPECT_EQ(protocol_name(Protocol::kIcmp), "icmp");
  EXPECT_EQ(protocol_name(Protocol::kIcmpv6), "icmpv6");
  EXPECT_EQ(protocol_name(Protocol{132}), "132");
}
// NOLINTEND(clang-analyzer-optin.core.EnumCastOutOfRange)

constexpr std::uint32_t kTunnel = 3;
constexpr std::uint32_t kPeer = 4;

Flow flow_of(Action action, std::uint32_t peer_tunnel) {
  Flow flow;
  flow.action = action;
  flow.tunnel = kTunnel;
  flow.peer_tunnel = peer_tunnel;
  return flow;
}

TEST(Flow, EachEndIsBehindItsTunnel) {
  const auto ends = [](const Flow& flow) {
    return std::pair(tunnel_of(flow, Side::kInitiator), tunnel_of(flow, Side::kResponder));
  };
  EXPECT_EQ(ends(flow_of(Action::kUpgrade, kNone32)), std::pair(kTunnel, kNone32));
  EXPECT_EQ(ends(flow_of(Action::kForward, kPeer)), std::pair(kTunnel, kPeer));
  EXPECT_EQ(ends(flow_of(Action::kUpgrade, kPeer)), std::pair(kTunnel, kPeer));
  EXPECT_EQ(ends(flow_of(Action::kDowngrade, kNone32)), std::pair(kNone32, kTunnel));
}

TEST(Flow, IsDowngradedWhenPacketsOfOursReachTheResponder) {
  EXPECT_TRUE(is_downgraded(flow_of(Action::kDowngrade, kNone32)));
  EXPECT_TRUE(is_downgraded(flow_of(Action::kUpgrade, kPeer)));
  EXPECT_FALSE(is_downgraded(flow_of(Action::kUpgrade, kNone32)));
  EXPECT_FALSE(is_downgraded(flow_of(Action::kForward, kPeer)));
  EXPECT_TRUE(is_upgraded_then_downgraded(flow_of(Action::kUpgrade, kPeer)));
  EXPECT_FALSE(is_upgraded_then_downgraded(flow_of(Action::kDowngrade, kNone32)));
}

TEST(Flow, DeniedOneIsNeverOverBeforeItIsForgotten) {
  for (const Action action : {Action::kReject, Action::kDrop}) {
    Flow flow = flow_of(action, kNone32);
    flow.state = FlowState::kTimeWait;
    EXPECT_FALSE(is_over(flow));
  }
  Flow flow = flow_of(Action::kDowngrade, kNone32);
  EXPECT_FALSE(is_over(flow));
  flow.state = FlowState::kTimeWait;
  EXPECT_TRUE(is_over(flow));
}

}  // namespace
}  // namespace flows
