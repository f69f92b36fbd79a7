#include "gateway/flow/waiting_flows.h"

#include <memory>

#include <gtest/gtest.h>

#include "gateway/flow/flow_keeper.h"
#include "tests/support/addresses.h"

namespace gateway {
namespace {

using base::Instant;
using flows::Action;
using flows::Drop;
using flows::EndReason;
using flows::FlowIndex;
using flows::FlowState;
using flows::Protocol;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;

constexpr std::uint32_t kTableSize = 32;

struct SilentTunnel final : Tunnel {
  using Tunnel::Tunnel;
  flows::WireCount send(const RawPacket& /*packet*/, const flows::Packet& /*parsed*/) override {
    return {};
  }
};

// Two tenants, the first with two tunnels.
class WaitingFlowsTest : public testing::Test {
 protected:
  WaitingFlowsTest() {
    for (SilentTunnel* tunnel : {&flooding_, &modest_, &foreign_}) {
      keeper_.add_tunnel(*tunnel);
      ++tunnel->tenant().tunnels;
    }
  }

  static Settings settings() {
    Settings small = default_settings();
    small.flows.max = kTableSize;
    small.nat.bindings = kTableSize;
    return small;
  }
  static TunnelInfo info(std::uint32_t id) {
    TunnelInfo info;
    info.id = id;
    return info;
  }
  static TenantSettings tenant_settings(std::uint32_t id) {
    TenantSettings tenant;
    tenant.name = "t" + std::to_string(id);
    tenant.id = id;
    return tenant;
  }

  base::Result<FlowIndex, Drop> try_open(SilentTunnel& tunnel, Protocol protocol = Protocol::kTcp,
                                         FlowState state = FlowState::kDialing) {
    flows::FlowKey key;
    key.tenant = tunnel.tenant().settings.id;
    key.protocol = protocol;
    key.source = {base::IpAddress::v4(0x0a000000).plus(++last_client_), base::Port{1000}};
    key.destination = {base::IpAddress::v4(0xc0000201), base::Port{80}};
    return keeper_.open(
        key, {.tunnel = tunnel, .action = Action::kUpgrade, .upstream = {}, .state = state}, now_);
  }
  FlowIndex open(SilentTunnel& tunnel, Protocol protocol = Protocol::kTcp) {
    return try_open(tunnel, protocol,
                    protocol == Protocol::kTcp ? FlowState::kDialing : FlowState::kEstablished)
        .value();
  }
  void send(FlowIndex datagrams, flows::Side sender) {
    flows::Packet datagram;
    datagram.protocol = Protocol::kUdp;
    keeper_.touch(datagrams, sender, {1, 40}, datagram, now_);
  }
  void ask(FlowIndex datagrams) { send(datagrams, flows::Side::kInitiator); }
  void answer(FlowIndex datagrams) { send(datagrams, flows::Side::kResponder); }

  Instant now_{100s};
  std::uint32_t last_client_ = 0;
  Settings settings_ = settings();
  FlowRegion region_ = FlowRegion::create(flows::FlowTable::region_bytes(kTableSize)).value();
  std::unique_ptr<AuditLog> audit_ = AuditLog::open("", {}).value();
  FlowQuota quota_{kTableSize, 2};
  FlowKeeper keeper_{region_, settings_, {.low = 1, .high = 2},
                     *audit_, now_,      {.shard = 0, .quota = quota_}};
  Tenant tenant_{tenant_settings(1)};
  Tenant other_{tenant_settings(2)};
  SilentTunnel flooding_{info(1), tenant_};
  SilentTunnel modest_{info(2), tenant_};
  SilentTunnel foreign_{info(3), other_};
};

TEST_F(WaitingFlowsTest, TcpWaitsForItsHandshakeAndDatagramsForAnAnswer) {
  const FlowIndex tcp = open(flooding_);
  const FlowIndex udp = open(flooding_, Protocol::kUdp);
  EXPECT_EQ(tenant_.half_open(), 1U);
  EXPECT_EQ(flooding_.waiting, 2U);
  ask(udp);
  EXPECT_TRUE(keeper_.waits(udp));
  keeper_.set_state(tcp, FlowState::kSynReceived, now_);
  EXPECT_EQ(tenant_.half_open(), 1U);
  EXPECT_TRUE(keeper_.waits(tcp));
  keeper_.set_state(tcp, FlowState::kEstablished, now_);
  EXPECT_EQ(tenant_.half_open(), 0U);
  EXPECT_FALSE(keeper_.waits(tcp));
  answer(udp);
  EXPECT_FALSE(keeper_.waits(udp));
  EXPECT_EQ(flooding_.waiting, 0U);
}

// Or a server could fill its client's tenant with flows that nobody there has asked for.
TEST_F(WaitingFlowsTest, FlowThatAnUpstreamHasBegunWaitsForItsClient) {
  const FlowIndex udp = open(flooding_, Protocol::kUdp);
  answer(udp);
  answer(udp);
  EXPECT_TRUE(keeper_.waits(udp));
  ask(udp);
  EXPECT_FALSE(keeper_.waits(udp));
}

TEST_F(WaitingFlowsTest, FlowThatWasAnsweredWaitsNoMoreWhenItIsOver) {
  const FlowIndex answered = open(flooding_);
  const FlowIndex refused = open(flooding_);
  keeper_.set_state(answered, FlowState::kEstablished, now_);
  for (const FlowIndex flow : {answered, refused}) {
    keeper_.set_state(flow, FlowState::kTimeWait, now_);
  }
  EXPECT_FALSE(keeper_.waits(answered));
  EXPECT_TRUE(keeper_.waits(refused));
  EXPECT_EQ(tenant_.half_open(), 0U) << "it has ended, and only waits for stragglers";
}

TEST_F(WaitingFlowsTest, EndLeavesNothingInTheLine) {
  const FlowIndex first = open(flooding_);
  const FlowIndex second = open(flooding_);
  const FlowIndex third = open(flooding_);
  keeper_.end(second, EndReason::kTimedOut);
  keeper_.end(first, EndReason::kTimedOut);
  now_ += 2s;
  EXPECT_EQ(keeper_.giving_way(Drop::kDialLimit, flooding_, now_), third);
  keeper_.end(third, EndReason::kTimedOut);
  EXPECT_EQ(keeper_.giving_way(Drop::kDialLimit, flooding_, now_), std::nullopt);
  EXPECT_EQ(flooding_.waiting, 0U);
}

TEST_F(WaitingFlowsTest, HalfOpenFlowsAreLimited) {
  tenant_.settings.max_half_open = 2;
  (void)open(flooding_);
  const FlowIndex second = open(flooding_);
  EXPECT_EQ(try_open(flooding_).error(), Drop::kHalfOpenLimit);
  EXPECT_TRUE(try_open(flooding_, Protocol::kUdp, FlowState::kEstablished)) << "TCP only";
  EXPECT_TRUE(try_open(foreign_)) << "of that tenant only";
  keeper_.set_state(second, FlowState::kEstablished, now_);
  EXPECT_TRUE(try_open(flooding_));
}

TEST_F(WaitingFlowsTest, OldestGivesWayButNotToItsOwnTunnelAtOnce) {
  const FlowIndex oldest = open(flooding_);
  now_ += 600ms;
  (void)open(flooding_);
  EXPECT_EQ(keeper_.giving_way(Drop::kHalfOpenLimit, flooding_, now_), std::nullopt);
  now_ += 400ms;
  EXPECT_EQ(keeper_.giving_way(Drop::kHalfOpenLimit, flooding_, now_), oldest);
}

TEST_F(WaitingFlowsTest, TunnelWithFewGetsThePlaceOfOneWithManyAtOnce) {
  const FlowIndex of_modest = open(modest_);  // the oldest of all
  const FlowIndex of_flood = open(flooding_);
  for (int i = 0; i < 8; ++i) {
    (void)open(flooding_);
  }
  EXPECT_EQ(keeper_.giving_way(Drop::kTenantFlowLimit, modest_, now_), of_flood);
  now_ += 2s;
  EXPECT_EQ(keeper_.giving_way(Drop::kTenantFlowLimit, flooding_, now_), of_flood);
  EXPECT_TRUE(keeper_.waits(of_modest)) << "it went to the end of the line";
}

TEST_F(WaitingFlowsTest, AnsweredFlowsNeverGiveWay) {
  for (int i = 0; i < 4; ++i) {
    keeper_.set_state(open(flooding_), FlowState::kEstablished, now_);
    const FlowIndex udp = open(flooding_, Protocol::kUdp);
    ask(udp);
    answer(udp);
  }
  now_ += 60s;
  for (const Drop limit :
       {Drop::kDialLimit, Drop::kHalfOpenLimit, Drop::kTenantFlowLimit, Drop::kFlowTableFull}) {
    EXPECT_EQ(keeper_.giving_way(limit, modest_, now_), std::nullopt) << flows::name(limit);
  }
}

TEST_F(WaitingFlowsTest, OnlyDialsGiveWayToADialAndHandshakesToHandshakes) {
  const FlowIndex udp = open(flooding_, Protocol::kUdp);
  now_ += 1ms;
  const FlowIndex handshake = open(flooding_);
  keeper_.set_state(handshake, FlowState::kSynReceived, now_);
  now_ += 1ms;
  const FlowIndex dial = open(flooding_);
  now_ += 2s;
  EXPECT_EQ(keeper_.giving_way(Drop::kDialLimit, flooding_, now_), dial);
  EXPECT_EQ(keeper_.giving_way(Drop::kHalfOpenLimit, flooding_, now_), handshake);
  EXPECT_EQ(keeper_.giving_way(Drop::kTenantFlowLimit, flooding_, now_), udp);
  EXPECT_EQ(keeper_.giving_way(Drop::kNoFreeBinding, flooding_, now_), std::nullopt);
}

TEST_F(WaitingFlowsTest, TenantBeyondItsShareLeavesRoomAndGivesWay) {
  while (try_open(flooding_)) {
  }
  EXPECT_EQ(tenant_.flows, kTableSize - kTableSize / 16);
  EXPECT_TRUE(try_open(foreign_)) << "what is kept for it";
  EXPECT_TRUE(try_open(foreign_));
  EXPECT_EQ(try_open(foreign_).error(), Drop::kFlowTableFull);
  const auto gives = keeper_.giving_way(Drop::kFlowTableFull, foreign_, now_);
  ASSERT_TRUE(gives);
  EXPECT_EQ(keeper_[*gives].key.tenant, 1U);
}

TEST_F(WaitingFlowsTest, TenantWithinItsShareLosesNothingToAnother) {
  for (std::uint32_t i = 0; i < kTableSize / 2; ++i) {
    (void)open(flooding_);
    (void)open(foreign_);
  }
  now_ += 60s;
  const auto gives = keeper_.giving_way(Drop::kFlowTableFull, foreign_, now_);
  ASSERT_TRUE(gives);
  EXPECT_EQ(keeper_[*gives].key.tenant, 2U) << "its own";
}

TEST(FlowBudget, GivesTheRateAndBeginsAnewWhenThatChanges) {
  FlowBudget budget;
  const Instant now{100s};
  EXPECT_TRUE(budget.take(std::nullopt, now));
  const std::optional<Rate> rate = Rate{.count = 2, .span = 1s};
  EXPECT_TRUE(budget.take(rate, now));
  EXPECT_TRUE(budget.take(rate, now));
  EXPECT_FALSE(budget.take(rate, now));
  EXPECT_TRUE(budget.take(rate, now + 500ms));
  EXPECT_FALSE(budget.take(rate, now + 500ms));
  EXPECT_TRUE(budget.take(Rate{.count = 1, .span = 1s}, now + 500ms));
  EXPECT_TRUE(budget.take(std::nullopt, now + 500ms));
}

}  // namespace
}  // namespace gateway
