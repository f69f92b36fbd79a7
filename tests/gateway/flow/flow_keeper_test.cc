#include "gateway/flow/flow_keeper.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "flows/segmenter.h"
#include "tests/support/packet_builder.h"

namespace gateway {
namespace {

using base::Instant;
using flows::Action;
using flows::EndReason;
using flows::FlowIndex;
using flows::FlowState;
using flows::Side;
using std::chrono_literals::operator""s;
using test_support::tcp;
using test_support::udp;

constexpr auto kClient = "100.64.0.2:4000";
constexpr auto kServer = "192.0.2.1:7777";

struct SilentTunnel final : Tunnel {
  using Tunnel::Tunnel;
  flows::WireCount send(const RawPacket& /*packet*/, const flows::Packet& /*parsed*/) override {
    return {};
  }
};

struct RoamingTunnel final : Tunnel {
  using Tunnel::Tunnel;
  flows::WireCount send(const RawPacket& /*packet*/, const flows::Packet& /*parsed*/) override {
    return {};
  }
  [[nodiscard]] bool may_take_over(const Tunnel& /*owner*/) const override { return true; }
};

Settings settings() {
  Settings small = default_settings();
  small.flows.max = 16;
  small.nat.bindings = 16;
  return small;
}

class FlowKeeperTest : public testing::Test {
 protected:
  FlowKeeperTest() { keeper_.add_tunnel(tunnel_); }

  FlowIndex open(const test_support::PacketBuilder& first, Action action, FlowState state) {
    const auto bytes = first.build();
    const FlowKeeper::Opening opening{
        .tunnel = tunnel_, .action = action, .upstream = {}, .state = state};
    return keeper_.open(flows::key_of(1, *flows::parse(bytes, {})), opening, now_).value();
  }
  void pass(FlowIndex flow, Side sender, const test_support::PacketBuilder& packet) {
    const auto bytes = packet.build();
    const auto parsed = flows::parse(bytes, {});
    keeper_.touch(flow, sender, flows::wire_count(*parsed, {}), *parsed, now_);
  }
  // One datagram each way.
  void exchange(FlowIndex flow) {
    pass(flow, Side::kInitiator, udp(kClient, kServer));
    pass(flow, Side::kResponder, udp(kServer, kClient));
  }
  bool lives_after(base::Duration idle) {
    now_ += idle;
    while (!keeper_.expire(now_)) {
    }
    return keeper_.table().size() == 1;
  }

  Instant now_{100s};
  Settings settings_ = settings();
  FlowRegion region_ = FlowRegion::create(flows::FlowTable::region_bytes(16)).value();
  std::unique_ptr<AuditLog> audit_ = AuditLog::open("", {}).value();
  FlowQuota quota_{16};
  FlowKeeper keeper_{region_, settings_, {.low = 1, .high = 2},
                     *audit_, now_,      {.shard = 0, .quota = quota_}};
  Tenant tenant_{settings_.tenants.front()};
  SilentTunnel tunnel_{TunnelInfo{}, tenant_};
};

// Three tunnels of a tenant, between which flows go.
class FlowsOfTunnels : public FlowKeeperTest {
 protected:
  FlowsOfTunnels() {
    keeper_.add_tunnel(other_);
    keeper_.add_tunnel(moved_);
  }

  FlowIndex open(Tunnel& from, const Tunnel& to) {
    const auto bytes = udp("100.64.0.2:" + std::to_string(++last_port_), kServer).build();
    const FlowKeeper::Opening opening{.tunnel = from,
                                      .action = Action::kForward,
                                      .peer_tunnel = to.id(),
                                      .upstream = {},
                                      .state = FlowState::kEstablished};
    return keeper_.open(flows::key_of(1, *flows::parse(bytes, {})), opening, now_).value();
  }
  std::vector<FlowIndex> flows_of(const Tunnel& tunnel) {
    std::vector<FlowIndex> flows;
    keeper_.for_each_of(tunnel, [&](FlowIndex flow) { flows.push_back(flow); });
    return flows;
  }
  static TunnelInfo info(std::uint32_t id) {
    TunnelInfo info;
    info.id = id;
    return info;
  }

  int last_port_ = 4000;
  SilentTunnel other_{info(1), tenant_};
  RoamingTunnel moved_{info(2), tenant_};
};

TEST_F(FlowKeeperTest, PacketsOfAKilledFlowAreCountedAndDoNotKeepIt) {
  const FlowIndex flow = open(udp(kClient, kServer), Action::kForward, FlowState::kEstablished);
  keeper_.retire(flow, EndReason::kKilled, now_);
  now_ += 20s;
  pass(flow, Side::kInitiator, udp(kClient, kServer));
  keeper_.keep_alive(flow, now_);
  EXPECT_EQ(keeper_[flow].up.packets, 1U);
  EXPECT_FALSE(lives_after(11s));
}

TEST_F(FlowKeeperTest, UdpFlowIsAStreamWhenBothEndsHaveSpokenRepeatedly) {
  const FlowIndex flow = open(udp(kClient, kServer), Action::kForward, FlowState::kEstablished);
  exchange(flow);
  exchange(flow);
  EXPECT_TRUE(lives_after(settings_.flows.timeouts.udp + 1s));
  EXPECT_FALSE(lives_after(settings_.flows.timeouts.udp_stream));
}

TEST_F(FlowKeeperTest, OneAnswerMakesNoStream) {
  const FlowIndex flow = open(udp(kClient, kServer), Action::kForward, FlowState::kEstablished);
  exchange(flow);
  pass(flow, Side::kInitiator, udp(kClient, kServer));
  EXPECT_FALSE(lives_after(settings_.flows.timeouts.udp + 1s));
}

TEST_F(FlowKeeperTest, ErrorsOfOurOwnAreNoAnswers) {
  const FlowIndex flow = open(udp(kClient, kServer), Action::kForward, FlowState::kEstablished);
  for (int i = 0; i < 3; ++i) {
    pass(flow, Side::kInitiator, udp(kClient, kServer));
    keeper_.count_down(flow, {.packets = 1, .bytes = 56});
  }
  EXPECT_EQ(keeper_[flow].down.packets, 3U);
  EXPECT_FALSE(lives_after(settings_.flows.timeouts.udp + 1s));
}

TEST_F(FlowKeeperTest, ForwardedTcpIsEstablishedWithTheLastSegmentOfItsHandshake) {
  const FlowIndex flow =
      open(tcp(kClient, kServer).syn(), Action::kForward, FlowState::kSynReceived);
  pass(flow, Side::kInitiator, tcp(kClient, kServer).syn());
  pass(flow, Side::kResponder, tcp(kServer, kClient).syn().ack(1001));
  EXPECT_EQ(keeper_[flow].state, FlowState::kSynReceived);
  pass(flow, Side::kInitiator, tcp(kClient, kServer).ack(1001));
  EXPECT_EQ(keeper_[flow].state, FlowState::kEstablished);
  pass(flow, Side::kInitiator, tcp(kClient, kServer).ack(1001).fin());
  EXPECT_EQ(keeper_[flow].state, FlowState::kClosing);
}

TEST_F(FlowKeeperTest, FlowsThatWereLetInAreMeasuredAtTheirEnd) {
  const FlowIndex flow = open(udp(kClient, kServer), Action::kForward, FlowState::kEstablished);
  const std::uint64_t id = keeper_[flow].id;
  now_ += 3s;
  pass(flow, Side::kInitiator, udp(kClient, kServer));
  const std::uint64_t bytes = keeper_[flow].up.bytes;
  EXPECT_FALSE(lives_after(settings_.flows.timeouts.udp + 1s));
  const auto& durations = keeper_.histograms().of(FlowHistogram::kDurationUdp);
  EXPECT_EQ(durations.sum, 3'000'000U) << "without the time that it was idle";
  EXPECT_EQ(durations.buckets[4].last.flow, id);
  EXPECT_EQ(keeper_.histograms().of(FlowHistogram::kBytesUp).sum, bytes);
  EXPECT_EQ(keeper_.histograms().of(FlowHistogram::kBytesDown).buckets[0].count, 1U);
}

TEST_F(FlowKeeperTest, RefusedFlowsAreNotMeasured) {
  const FlowIndex flow = open(udp(kClient, kServer), Action::kDrop, FlowState::kEstablished);
  keeper_.end(flow, EndReason::kDropped);
  EXPECT_EQ(keeper_.histograms().of(FlowHistogram::kDurationUdp).buckets[0].count, 0U);
}

TEST_F(FlowKeeperTest, AckThatAnswersNobodyMakesNoForwardedConnection) {
  const FlowIndex flow =
      open(tcp(kClient, kServer).syn(), Action::kForward, FlowState::kSynReceived);
  pass(flow, Side::kInitiator, tcp(kClient, kServer).syn());
  pass(flow, Side::kInitiator, tcp(kClient, kServer).ack(1001));
  pass(flow, Side::kInitiator, tcp(kClient, kServer).ack(1001).payload("GET /"));
  EXPECT_EQ(keeper_[flow].state, FlowState::kSynReceived);
  EXPECT_EQ(tenant_.half_open(), 1U);
  EXPECT_FALSE(lives_after(settings_.flows.timeouts.tcp_handshake + 1s));
}

// RFC 5961: the kernel that has the connection decides, and its relay tells.
TEST_F(FlowKeeperTest, RstOfAnUpgradedFlowIsNotBelievedBeforeItsKernelDoes) {
  const FlowIndex flow = open(tcp(kClient, kServer).syn(), Action::kUpgrade, FlowState::kDialing);
  keeper_.set_state(flow, FlowState::kEstablished, now_);
  pass(flow, Side::kInitiator, tcp(kClient, kServer).rst());
  EXPECT_EQ(keeper_[flow].state, FlowState::kEstablished);
  EXPECT_TRUE(flows::is_over(keeper_[flow])) << "a SYN asks the kernel";
  pass(flow, Side::kResponder, tcp(kServer, kClient).ack(1001).fin());
  EXPECT_EQ(keeper_[flow].state, FlowState::kClosing);
}

TEST_F(FlowsOfTunnels, AreThoseThatBeginThereAndThoseThatGoThere) {
  const FlowIndex there = open(tunnel_, other_);
  const FlowIndex back = open(other_, tunnel_);
  const FlowIndex within = open(other_, other_);
  EXPECT_EQ(flows_of(tunnel_), (std::vector{there, back}));
  EXPECT_EQ(flows_of(other_), (std::vector{back, within, there, within}));
  EXPECT_EQ(FlowKeeper::any_of(moved_), std::nullopt);
}

TEST_F(FlowsOfTunnels, AreGoneFromBothWhenTheyEnd) {
  const FlowIndex there = open(tunnel_, other_);
  const FlowIndex back = open(other_, tunnel_);
  keeper_.end(there, EndReason::kClosed);
  EXPECT_EQ(flows_of(tunnel_), std::vector{back});
  keeper_.end(back, EndReason::kClosed);
  EXPECT_EQ(FlowKeeper::any_of(tunnel_), std::nullopt);
  EXPECT_EQ(FlowKeeper::any_of(other_), std::nullopt);
}

TEST_F(FlowsOfTunnels, AreThoseOfWhoeverTakesThemOver) {
  const FlowIndex flow = open(tunnel_, other_);
  EXPECT_TRUE(keeper_.hears(flow, Side::kInitiator, moved_));
  EXPECT_EQ(flows_of(tunnel_), std::vector<FlowIndex>{});
  EXPECT_EQ(flows_of(moved_), std::vector{flow});
  EXPECT_EQ(keeper_[flow].tunnel, moved_.id());
  EXPECT_EQ(moved_.waiting, 1U);
  EXPECT_TRUE(keeper_.hears(flow, Side::kResponder, moved_));
  EXPECT_EQ(flows_of(other_), std::vector<FlowIndex>{});
  EXPECT_EQ(moved_.peer_flows.size, 1U);
}

TEST_F(FlowsOfTunnels, AreHandedOverWithEachEndThatWasThere) {
  const FlowIndex within = open(tunnel_, tunnel_);
  const FlowIndex back = open(other_, tunnel_);
  keeper_.hand_over(within, tunnel_, moved_);
  keeper_.hand_over(back, tunnel_, moved_);
  EXPECT_EQ(FlowKeeper::any_of(tunnel_), std::nullopt);
  EXPECT_EQ(flows_of(moved_), (std::vector{within, within, back}));
  EXPECT_EQ(flows_of(other_), std::vector{back});
}

}  // namespace
}  // namespace gateway
