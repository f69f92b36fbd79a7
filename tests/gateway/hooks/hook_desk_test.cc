#include "gateway/hooks/hook_desk.h"

#include <sys/socket.h>

#include <array>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "gateway/flow/flow_region.h"
#include "tests/support/packet_builder.h"

namespace gateway {
namespace {

using flows::Action;
using hooks::EgressRuling;
using hooks::FlowRuling;
using Endpoints = std::vector<base::Endpoint>;
using std::chrono_literals::operator""s;

struct SilentTunnel final : Tunnel {
  using Tunnel::Tunnel;
  flows::WireCount send(const RawPacket& /*packet*/, const flows::Packet& /*parsed*/) override {
    return {};
  }
};

// What the app below is to answer, and what it was asked and told.
struct Script {
  FlowRuling ruling;
  bool throws = false;
  EgressRuling egress;
  hooks::Resolution resolution;
  std::optional<hooks::AddressOrder> order;  // nothing: as usual
  hooks::DatagramRuling datagrams;
  std::string remembered;  // put into the flow's context, when not empty

  int asked = 0;
  bool hypothetical = false;
  std::string name;                         // that was looked up
  std::vector<base::IpAddress> candidates;  // to choose among
  std::optional<FlowRuling> ruled;
  std::string rule, tenant, tunnel, user;
  std::string ended_with;  // the context that flow_end has found
  flows::WireCount up;
  std::vector<std::uint32_t> marks;  // of the flow, at each call
};

class Scripted final : public hooks::ShardHooks,
                       public hooks::FlowDecide,
                       public hooks::FlowEnd,
                       public hooks::EgressDecide,
                       public hooks::EgressResolve,
                       public hooks::EgressChoose,
                       public hooks::EgressDatagrams {
 public:
  explicit Scripted(Script& script) : script_(script) {}

  FlowRuling flow_decide(const hooks::FlowStart& start) override {
    ++script_.asked;
    script_.hypothetical = start.hypothetical;
    script_.ruled = start.ruled;
    script_.rule = start.rule;
    script_.tenant = start.flow.tenant;
    script_.marks.push_back(start.flow.mark);
    script_.tunnel = start.flow.tunnel.name;
    script_.user = start.flow.tunnel.label("user").value_or("");
    if (!script_.remembered.empty()) {
      start.flow.context.emplace<std::string>(script_.remembered);
    }
    if (script_.throws) {
      throw std::runtime_error("no");
    }
    return script_.ruling;
  }
  void flow_end(const hooks::FlowEnded& ended) override {
    const auto* remembered = ended.flow.context.get<std::string>();
    script_.ended_with = remembered == nullptr ? "nothing" : *remembered;
    script_.up = ended.up;
    script_.marks.push_back(ended.flow.mark);
  }
  EgressRuling egress_decide(const hooks::EgressStart& /*start*/) override {
    return std::move(script_.egress);
  }
  hooks::Resolution egress_resolve(const hooks::NameLookup& lookup) override {
    script_.name = lookup.name;
    return script_.resolution;
  }
  hooks::AddressOrder egress_choose(const hooks::Candidates& candidates) override {
    const auto& all = candidates.addresses;
    script_.candidates.assign(all.begin(), all.end());
    return script_.order.value_or(hooks::AddressOrder(all.begin(), all.begin() + candidates.usual));
  }
  hooks::DatagramRuling egress_datagrams(const hooks::DatagramStart& /*start*/) override {
    return std::move(script_.datagrams);
  }

 private:
  Script& script_;
};

Settings settings() {
  Settings small = default_settings();
  small.flows.max = 16;
  small.nat.bindings = 16;
  small.rules = {{.name = "web", .match = {}, .action = Action::kUpgrade}};
  small.rules.front().mark = 0x17;
  small.rules.front().dscp = flows::Dscp{46};
  return small;
}

TunnelInfo tunnel_info() {
  TunnelInfo info;
  info.id = 3;
  info.name = "laptop";
  info.labels = {{"user", "alice"}};
  return info;
}

class HookDeskTest : public testing::Test {
 protected:
  HookDeskTest() {
    desk_.set_app(std::make_unique<Scripted>(script_), "scripted");
    keeper_.add_tunnel(tunnel_);
  }

  Decision decide(const std::string& to = "192.0.2.1:80") {
    const auto bytes = test_support::udp("100.64.0.2:4000", to).build();
    packet_ = *flows::parse(bytes, {});
    const FlowFacts facts = facts_of(packet_, tenant_, &tunnel_, keeper_, now_);
    return desk_.decide(facts, tunnel_, &packet_);
  }
  flows::FlowIndex open(const Decision& decision) {
    return keeper_
        .open(flows::key_of(1, packet_),
              {.tunnel = tunnel_,
               .action = decision.action,
               .rule = decision.rule,
               .upstream = packet_.destination,
               .state = flows::FlowState::kEstablished,
               .mark = decision.mark,
               .dscp = decision.dscp},
              now_)
        .value();
  }

  base::Instant now_{100s};
  Settings settings_ = settings();
  FlowRegion region_ = FlowRegion::create(flows::FlowTable::region_bytes(16)).value();
  std::unique_ptr<AuditLog> audit_ = AuditLog::open("", {}).value();
  FlowQuota quota_{16};
  FlowKeeper keeper_{region_, settings_, {.low = 1, .high = 2},
                     *audit_, now_,      {.shard = 0, .quota = quota_}};
  Rulings rulings_{std::make_shared<const Policy>(settings_)};
  Script script_;
  GatewayAddresses addresses_{.map_host = base::IpAddress::parse("192.0.2.7"), .stand_ins = {}};
  HookDesk desk_{settings_, keeper_, rulings_, addresses_};
  Tenant tenant_{settings_.tenants.front()};
  SilentTunnel tunnel_{tunnel_info(), tenant_};
  flows::Packet packet_;
};

TEST_F(HookDeskTest, AppIsToldWhoAsksAndWhatTheRulesSay) {
  EXPECT_EQ(decide().rule, 0);  // it had no opinion
  EXPECT_EQ(script_.ruled, FlowRuling::upgrade());
  EXPECT_EQ(script_.rule, "web");
  EXPECT_EQ(script_.tenant, "default");
  EXPECT_EQ(script_.tunnel, "laptop");
  EXPECT_EQ(script_.user, "alice");
}

TEST_F(HookDeskTest, AppHasTheLastWord) {
  script_.ruling = FlowRuling::reject();
  EXPECT_EQ(decide().action, Action::kReject);
  EXPECT_EQ(decide().rule, flows::kHookRule);
  script_.ruling = FlowRuling::upgrade_then_downgrade();
  EXPECT_TRUE(decide().then_downgrade);
  script_.ruling = FlowRuling::redirect(*base::Endpoint::parse("127.0.0.1:9"));
  EXPECT_EQ(decide().redirect->address.to_string(), "127.0.0.1");
}

TEST_F(HookDeskTest, MarkIsSeenFromTheFirstHookToTheLastWhateverTheAppDecides) {
  const Decision ruled = decide();
  keeper_.end(open(ruled), flows::EndReason::kClosed);
  EXPECT_EQ(script_.marks, (std::vector<std::uint32_t>{0x17, 0x17}));
  script_.ruling = FlowRuling::forward();
  EXPECT_EQ(decide().mark, ruled.mark);
  EXPECT_EQ(decide().dscp, flows::Dscp{46});
}

TEST_F(HookDeskTest, AnswerThatIsTheRulesOwnLeavesTheRule) {
  script_.ruling = FlowRuling::upgrade();
  EXPECT_EQ(decide().rule, 0);
}

TEST_F(HookDeskTest, RulesDecideWhereTheAppThrows) {
  script_.ruling = FlowRuling::drop();
  script_.throws = true;
  EXPECT_EQ(decide().action, Action::kUpgrade);
}

TEST_F(HookDeskTest, DatagramsAreNotRedirectedToTheOtherFamily) {
  script_.ruling = FlowRuling::redirect(*base::Endpoint::parse("[::1]:9"));
  EXPECT_EQ(decide().redirect, std::nullopt);
}

TEST_F(HookDeskTest, ContextIsCarriedFromTheFirstPacketToTheEnd) {
  script_.remembered = "session 7";
  const auto flow = open(decide());
  script_.remembered.clear();
  const auto other = open(decide("192.0.2.9:80"));
  keeper_[flow].up = {.packets = 3, .bytes = 99};
  keeper_.end(flow, flows::EndReason::kClosed);
  EXPECT_EQ(script_.ended_with, "session 7");
  EXPECT_EQ(script_.up.bytes, 99U);
  keeper_.end(other, flows::EndReason::kClosed);
  EXPECT_EQ(script_.ended_with, "nothing");
}

TEST_F(HookDeskTest, ContextOfAFlowThatWasNotOpenedIsNobodyElses) {
  script_.remembered = "refused";
  decide();
  packet_.source.port = base::Port{4001};  // a published port's flow, of which nobody was asked
  const auto flow = open({.action = Action::kUpgrade});
  keeper_.end(flow, flows::EndReason::kClosed);
  EXPECT_EQ(script_.ended_with, "nothing");
}

TEST_F(HookDeskTest, EgressRulingIsTheApps) {
  const auto flow = open(decide());
  script_.egress = EgressRuling::connect_to(*base::Endpoint::parse("192.0.2.7:7"));
  EXPECT_EQ(desk_.egress(flow).upstreams, (Endpoints{*base::Endpoint::parse("192.0.2.7:7")}));
}

TEST_F(HookDeskTest, EgressWithoutASocketOrThroughATunnelIsAsUsual) {
  const auto flow = open(decide());
  script_.egress = EgressRuling::use({});
  EXPECT_EQ(desk_.egress(flow).kind, HookDesk::Egress::Kind::kDial);
  keeper_[flow].peer_tunnel = 3;  // upgraded, then downgraded
  script_.egress = EgressRuling::connect_to(*base::Endpoint::parse("192.0.2.7:7"));
  EXPECT_EQ(desk_.egress(flow).upstreams, Endpoints{});
  script_.egress = EgressRuling::connect_to("inside", base::Port{7});
  EXPECT_EQ(desk_.egress(flow).upstreams, Endpoints{});
  keeper_[flow].peer_tunnel = flows::kNone32;
}

class AddressesOfApp : public HookDeskTest {
 protected:
  // The name has two addresses, and the flow is to the second. The third means the host here, which
  // is no name server's to say.
  flows::FlowIndex open_named() {
    flows::DnsAnswer answer;
    answer.name.append_label("www");
    answer.address_list[0] = *base::IpAddress::parse("192.0.2.1");
    answer.address_list[1] = *base::IpAddress::parse("192.0.2.2");
    answer.address_list[2] = *addresses_.map_host;
    answer.address_count = 3;
    answer.ttl_seconds = 60;
    keeper_.learn(open(decide("192.0.2.99:53")), answer, base::Clock::now());
    now_ = base::Clock::now();
    return open(decide("192.0.2.2:80"));
  }
  static Endpoints at(std::initializer_list<const char*> addresses) {
    Endpoints endpoints;
    for (const char* address : addresses) {
      endpoints.push_back({*base::IpAddress::parse(address), base::Port{80}});
    }
    return endpoints;
  }
};

TEST_F(AddressesOfApp, AreThoseOfTheNameWithTheOneAskedForFirst) {
  EXPECT_EQ(desk_.egress(open_named()).upstreams, at({"192.0.2.2"}));
  EXPECT_EQ(script_.name, "www");
  EXPECT_EQ(script_.candidates, (hooks::AddressOrder{*base::IpAddress::parse("192.0.2.2"),
                                                     *base::IpAddress::parse("192.0.2.1")}));
}

TEST_F(AddressesOfApp, ThatItAnswersAreDialledInTurn) {
  script_.resolution = hooks::Resolution::of(
      {*base::IpAddress::parse("2001:db8::1"), *base::IpAddress::parse("10.0.0.1")});
  EXPECT_EQ(desk_.egress(open_named()).upstreams, at({"2001:db8::1", "10.0.0.1"}));
}

TEST_F(AddressesOfApp, MayBeNoneAtAll) {
  script_.resolution = hooks::Resolution::none();
  const auto flow = open_named();
  EXPECT_EQ(desk_.egress(flow).kind, HookDesk::Egress::Kind::kNoSuchName);
  script_.resolution = {};
  script_.order = hooks::AddressOrder{};
  EXPECT_EQ(desk_.egress(flow).kind, HookDesk::Egress::Kind::kRefuse);
}

TEST_F(AddressesOfApp, ThatWereNoCandidatesAreAFailure) {
  script_.order = hooks::AddressOrder{*base::IpAddress::parse("10.0.0.1")};
  const auto flow = open_named();
  EXPECT_EQ(desk_.egress(flow).upstreams, at({"192.0.2.2"}));
  EXPECT_EQ(desk_.failures(), 1U);
  script_.resolution = {.kind = hooks::Resolution::Kind::kAddresses};
  EXPECT_EQ(desk_.egress(flow).upstreams, at({"192.0.2.2"}));
  EXPECT_EQ(desk_.failures(), 3U);
}

TEST_F(AddressesOfApp, AreNotAskedForWhereARuleHasTakenTheFlowElsewhere) {
  const auto flow = open_named();
  keeper_[flow].upstream = *base::Endpoint::parse("127.0.0.1:80");
  EXPECT_EQ(desk_.egress(flow).upstreams, Endpoints{});
  EXPECT_EQ(script_.name, "");
}

TEST_F(AddressesOfApp, OfItsOwnNameAreItsOwnOrThoseThatWereTold) {
  const auto flow = open_named();
  script_.egress = EgressRuling::connect_to("www", base::Port{80});
  EXPECT_EQ(desk_.egress(flow).upstreams, at({"192.0.2.1", "192.0.2.2"}));
  script_.egress = EgressRuling::connect_to("inside", base::Port{80});
  EXPECT_EQ(desk_.egress(flow).kind, HookDesk::Egress::Kind::kNoSuchName);
  EXPECT_EQ(script_.name, "inside");
}

TEST_F(HookDeskTest, DatagramsKeepTheirFamilyAndNeedAConnectedSocket) {
  using Kind = hooks::DatagramRuling::Kind;
  const auto flow = open(decide());
  script_.datagrams = hooks::DatagramRuling::send_to(*base::Endpoint::parse("[::1]:9"));
  EXPECT_EQ(desk_.egress_datagrams(flow).kind, Kind::kSend);
  script_.datagrams = hooks::DatagramRuling::use({});
  EXPECT_EQ(desk_.egress_datagrams(flow).kind, Kind::kSend);
  for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
    script_.datagrams =
        hooks::DatagramRuling::use(base::Fd::adopt(::socket(AF_INET, type | SOCK_CLOEXEC, 0)));
    EXPECT_EQ(desk_.egress_datagrams(flow).kind, Kind::kSend) << "not connected";
  }
  EXPECT_EQ(desk_.failures(), 4U);
  std::array<int, 2> pair{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair.data()), 0);
  const base::Fd other = base::Fd::adopt(pair[1]);
  script_.datagrams = hooks::DatagramRuling::use(base::Fd::adopt(pair[0]));
  EXPECT_EQ(desk_.egress_datagrams(flow).kind, Kind::kUse);
}

TEST_F(HookDeskTest, AppIsToldThatItIsOnlyAsked) {
  script_.ruling = FlowRuling::reject();
  script_.remembered = "nothing";
  decide();
  EXPECT_FALSE(script_.hypothetical);
  const std::uint64_t counted = rulings_.counts().at(0);
  const FlowFacts facts = facts_of(packet_, tenant_, nullptr, keeper_, now_);
  const auto considered = desk_.consider(facts, tenant_, nullptr, packet_);
  EXPECT_TRUE(script_.hypothetical);
  EXPECT_EQ(script_.tunnel, "");
  EXPECT_EQ(considered.decision.action, Action::kReject);
  ASSERT_TRUE(considered.app);
  EXPECT_EQ(considered.app->answer, "reject");
  EXPECT_EQ(rulings_.counts().at(0), counted) << "the rules do not count it";
  script_.throws = true;
  EXPECT_TRUE(desk_.consider(facts, tenant_, nullptr, packet_).app->failed);
}

}  // namespace
}  // namespace gateway
