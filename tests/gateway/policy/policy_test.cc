#include "gateway/policy/policy.h"

#include <gtest/gtest.h>

#include "gateway/config/config_loader.h"

namespace gateway {
namespace {

using flows::Action;
using flows::kDefaultRule;
using flows::Protocol;

constexpr bool kToTunnel = true;
constexpr bool kOutside = false;

const std::string kTenants = "tenants: [{name: acme, id: 7}, {name: other, id: 9}]\nrules:\n";

// A policy as it is written in the file.
Policy policy(const std::string& rules) {
  const auto settings = load_config(kTenants + rules, "test");
  if (!settings) {
    ADD_FAILURE() << settings.error()[0].to_string();
    return Policy(default_settings());
  }
  return Policy(*settings);
}

base::Endpoint endpoint(const char* text) {
  return *base::Endpoint::parse(text);
}

flows::FlowKey key(Protocol protocol, const char* source, const char* destination,
                   std::uint32_t tenant = 7) {
  return {endpoint(source), endpoint(destination), tenant, protocol};
}

const flows::FlowKey kWeb = key(Protocol::kTcp, "100.64.0.2:40000", "192.0.2.1:443");

TEST(Policy, WithoutRulesForwardsToTunnelsAndUpgradesTheRest) {
  const Policy none(default_settings());
  EXPECT_EQ(none.decide({kWeb, kOutside}), (Decision{Action::kUpgrade, kDefaultRule}));
  EXPECT_EQ(none.decide({kWeb, kToTunnel}), (Decision{Action::kForward, kDefaultRule}));
  EXPECT_EQ(none.rule_count(), 0u);
}

TEST(Policy, WithRulesDecidesTheSameWhenNoneMatches) {
  const Policy rules = policy("- {name: dns, match: {destination_port: 53}, action: drop}");
  EXPECT_EQ(rules.decide({kWeb, kOutside}), (Decision{Action::kUpgrade, kDefaultRule}));
  EXPECT_EQ(rules.decide({kWeb, kToTunnel}), (Decision{Action::kForward, kDefaultRule}));
}

TEST(Policy, UpgradeMayBeFollowedByADowngrade) {
  const Policy rules = policy(
      "- {name: web, match: {destination_port: 443}, action: upgrade, then: downgrade}\n"
      "- {name: rest, action: upgrade}\n");
  EXPECT_EQ(rules.decide({kWeb, kToTunnel}), (Decision{Action::kUpgrade, 0, true}));
  EXPECT_EQ(rules.decide({key(Protocol::kTcp, "100.64.0.2:1", "192.0.2.1:80"), kToTunnel}),
            (Decision{Action::kUpgrade, 1, false}));
}

TEST(Policy, FirstRuleThatMatchesWins) {
  const Policy rules = policy(
      "- {name: web, match: {destination_port: 443}, action: reject}\n"
      "- {name: rest, action: drop}\n"
      "- {name: never, action: upgrade}\n");
  EXPECT_EQ(rules.decide({kWeb, kOutside}), (Decision{Action::kReject, 0}));
  EXPECT_EQ(rules.decide({key(Protocol::kTcp, "100.64.0.2:1", "192.0.2.1:80"), kOutside}),
            (Decision{Action::kDrop, 1}));
}

TEST(Policy, EveryKeyOfAMatchMustHold) {
  const Policy rules = policy(
      "- {name: r, action: drop, match: {tenant: acme, protocol: tcp, source: 100.64.0.0/10,\n"
      "   destination: 192.0.2.0/24, source_port: 40000, destination_port: 443, to_tunnel: "
      "false}}");
  EXPECT_EQ(rules.decide({kWeb, kOutside}).rule, 0);
  EXPECT_EQ(rules.decide({kWeb, kToTunnel}).rule, kDefaultRule);
  for (const flows::FlowKey& other : {
           key(Protocol::kTcp, "100.64.0.2:40000", "192.0.2.1:443", 9),
           key(Protocol::kUdp, "100.64.0.2:40000", "192.0.2.1:443"),
           key(Protocol::kTcp, "100.128.0.2:40000", "192.0.2.1:443"),
           key(Protocol::kTcp, "100.64.0.2:40000", "192.0.3.1:443"),
           key(Protocol::kTcp, "100.64.0.2:40001", "192.0.2.1:443"),
           key(Protocol::kTcp, "100.64.0.2:40000", "192.0.2.1:444"),
       }) {
    EXPECT_EQ(rules.decide({other, kOutside}).rule, kDefaultRule) << other.source.to_string();
  }
}

TEST(Policy, ListMeansAnyOf) {
  const Policy rules = policy(
      "- {name: r, action: drop, match: {tenant: [other, acme], protocol: [udp, tcp],\n"
      "   destination: [10.0.0.0/8, 192.0.2.1], destination_port: [80, 440-450]}}");
  EXPECT_EQ(rules.decide({kWeb, kOutside}).rule, 0);
}

TEST(Policy, RangeIncludesBothItsEnds) {
  const Policy rules = policy("- {name: r, action: drop, match: {destination_port: 440-450}}");
  const auto rule_of = [&](const char* destination) {
    return rules.decide({key(Protocol::kTcp, "100.64.0.2:1", destination), kOutside}).rule;
  };
  EXPECT_EQ(rule_of("192.0.2.1:439"), kDefaultRule);
  EXPECT_EQ(rule_of("192.0.2.1:440"), 0);
  EXPECT_EQ(rule_of("192.0.2.1:450"), 0);
  EXPECT_EQ(rule_of("192.0.2.1:451"), kDefaultRule);
}

TEST(Policy, PrefixOfOneFamilyDoesNotMatchTheOther) {
  const Policy rules = policy("- {name: six, action: drop, match: {destination: \"::/0\"}}");
  EXPECT_EQ(rules.decide({kWeb, kOutside}).rule, kDefaultRule);
  EXPECT_EQ(rules.decide({key(Protocol::kTcp, "[fd00::2]:1", "[2001:db8::1]:443"), kOutside}).rule,
            0);
}

TEST(Policy, EchoIdentifierIsNoPort) {
  const Policy rules = policy("- {name: dns, action: drop, match: {destination_port: 53}}");
  const flows::FlowKey ping = key(Protocol::kIcmp, "100.64.0.2:53", "192.0.2.1:53");
  EXPECT_EQ(rules.decide({ping, kOutside}).rule, kDefaultRule);
}

TEST(Policy, ToTunnelMayBeRuledEitherWay) {
  const Policy rules = policy(
      "- {name: peers, match: {to_tunnel: true}, action: drop}\n"
      "- {name: others, match: {to_tunnel: false}, action: reject}\n");
  EXPECT_EQ(rules.decide({kWeb, kToTunnel}), (Decision{Action::kDrop, 0}));
  EXPECT_EQ(rules.decide({kWeb, kOutside}), (Decision{Action::kReject, 1}));
}

// ---- What is known of the flow besides its packet ----

class PolicyFacts : public testing::Test {
 protected:
  // The rule that decides about facts_, of rules that are all called r0, r1 ...
  std::uint16_t rule_of(const std::string& rules) const {
    const auto settings = load_config(kTenants + rules, "test");
    if (!settings) {
      ADD_FAILURE() << settings.error()[0].to_string();
      return 0;
    }
    return Policy(*settings).decide(facts_).rule;
  }
  bool matches(const std::string& match) const {
    return rule_of("- {name: r, action: drop, match: {" + match + "}}") == 0;
  }

  std::map<std::string, std::string> labels_ = {{"user", "alice"}, {"team", "red"}};
  FlowRate rate_;
  CarriedRate carried_;
  FlowFacts facts_{.key = kWeb,
                   .tunnel = "laptop-17",
                   .labels = &labels_,
                   .new_flows = &rate_,
                   .carried = &carried_,
                   .now = base::Instant(std::chrono::hours(1))};
};

TEST_F(PolicyFacts, TunnelIsMatchedByItsName) {
  EXPECT_TRUE(matches("tunnel: laptop-17"));
  EXPECT_TRUE(matches("tunnel: [phone, 'laptop-*']"));
  EXPECT_TRUE(matches("tunnel: '*-1*'"));
  EXPECT_FALSE(matches("tunnel: laptop"));
  facts_.tunnel = "";
  EXPECT_FALSE(matches("tunnel: 'laptop-*'")) << "not known";
}

TEST_F(PolicyFacts, EveryLabelMustBeThereWithOneOfItsValues) {
  EXPECT_TRUE(matches("labels: {user: alice}"));
  EXPECT_TRUE(matches("labels: {user: [bob, 'al*'], team: red}"));
  EXPECT_FALSE(matches("labels: {user: alice, team: blue}"));
  EXPECT_FALSE(matches("labels: {role: admin}"));
  facts_.labels = nullptr;
  EXPECT_FALSE(matches("labels: {user: alice}"));
}

TEST_F(PolicyFacts, NameHoldsOnlyWhereItIsKnown) {
  EXPECT_FALSE(matches("name: example.com"));
  EXPECT_FALSE(matches("name: '*'"));
  facts_.names.add({.text = "www.example.com", .index = flows::NameIndex{7}});
  facts_.names.add({.text = "cdn.example.net", .index = flows::NameIndex{8}});
  EXPECT_TRUE(matches("name: www.example.com"));
  EXPECT_TRUE(matches("name: [other.test, '*.example.com']"));
  EXPECT_TRUE(matches("name: CDN.example.net")) << "an earlier name of the address";
  EXPECT_TRUE(matches("name: '*'"));
  EXPECT_FALSE(matches("name: example.com")) << "*.example.com is what is below";
  EXPECT_FALSE(matches("name: '*.www.example.com'"));
  EXPECT_FALSE(matches("name: '*.xample.com'"));
}

TEST_F(PolicyFacts, DecisionSaysWhichNameItWent) {
  facts_.names.add({.text = "www.example.com", .index = flows::NameIndex{7}});
  facts_.names.add({.text = "cdn.example.net", .index = flows::NameIndex{8}});
  const auto settings =
      load_config(kTenants + "- {name: r, action: drop, match: {name: cdn.example.net}}", "test");
  ASSERT_TRUE(settings);
  EXPECT_EQ(Policy(*settings).decide(facts_).name, flows::NameIndex{8});
}

TEST_F(PolicyFacts, IcmpTypeIsOfTheFamily) {
  facts_.key.protocol = Protocol::kIcmp;
  facts_.icmp_type = 8;
  EXPECT_TRUE(matches("icmp_type: echo_request"));
  EXPECT_TRUE(matches("icmp_type: [13, 8]"));
  EXPECT_FALSE(matches("icmp_type: echo_reply"));
  facts_.key.protocol = Protocol::kIcmpv6;
  EXPECT_FALSE(matches("icmp_type: echo_request"));
  facts_.icmp_type = 128;
  EXPECT_TRUE(matches("icmp_type: echo_request"));
  facts_.icmp_type.reset();
  EXPECT_FALSE(matches("icmp_type: echo_request"));
}

TEST_F(PolicyFacts, OpenFlowsMustBeExceeded) {
  facts_.open_flows = 50;
  EXPECT_FALSE(matches("open_flows: '>50'"));
  facts_.open_flows = 51;
  EXPECT_TRUE(matches("open_flows: '>50'"));
}

TEST_F(PolicyFacts, NewFlowsMustBeExceededInTheSpan) {
  for (int i = 0; i < 10; ++i) {
    rate_.count(facts_.now);
  }
  EXPECT_FALSE(matches("new_flows: '>10/s'"));
  EXPECT_TRUE(matches("new_flows: '> 9/s'"));
  facts_.now += std::chrono::seconds(3);
  EXPECT_FALSE(matches("new_flows: '>1/s'"));
  EXPECT_TRUE(matches("new_flows: '>9/m'"));
}

TEST_F(PolicyFacts, BitRateMustBeExceededInTheLastSecond) {
  carried_.look(1'000'000, facts_.now);
  facts_.now += CarriedRate::kSpan;
  facts_.carried_bytes = 1'000'000 + 125'000;
  EXPECT_FALSE(matches("bit_rate: '>1Mbit/s'"));
  ++facts_.carried_bytes;
  EXPECT_TRUE(matches("bit_rate: '>1Mbit/s'"));
  EXPECT_TRUE(matches("bit_rate: '> 999kbit/s'"));
  facts_.carried = nullptr;
  EXPECT_FALSE(matches("bit_rate: '>8kbit/s'")) << "the tunnel is not known";
}

TEST(Policy, KnowsWhetherARuleAsksHowMuchATunnelCarries) {
  EXPECT_FALSE(policy("- {name: r, action: upgrade, bandwidth: 1Gbit/s}").asks_for_bit_rate());
  EXPECT_TRUE(
      policy("- {name: r, action: drop, match: {bit_rate: '>1Gbit/s'}}").asks_for_bit_rate());
}

TEST(Policy, DecisionHasTheRulesMarkAndCodePoint) {
  const Policy rules = policy(
      "- {name: marked, match: {protocol: tcp}, action: upgrade, mark: 0x17, dscp: ef}\n"
      "- {name: rest, action: upgrade}\n");
  const Decision marked = rules.decide({kWeb, kOutside});
  EXPECT_EQ(marked.mark, 23U);
  EXPECT_EQ(marked.dscp, flows::Dscp{46});
  const Decision rest =
      rules.decide({key(Protocol::kUdp, "100.64.0.2:1", "192.0.2.1:53"), kOutside});
  EXPECT_EQ(rest.mark, 0U);
  EXPECT_EQ(rest.dscp, flows::kOwnDscp);
}

TEST_F(PolicyFacts, TimeAndDayAreThoseOfTheZone) {
  // 2026-11-20 was a Friday.
  facts_.wall_time = std::chrono::sys_days(std::chrono::year(2026) / 11 / 20) +
                     std::chrono::hours(23) + std::chrono::minutes(30);
  EXPECT_TRUE(matches("time: '23:00-24:00', zone: utc"));
  EXPECT_FALSE(matches("time: '08:00-23:30', zone: utc")) << "the end is not part of it";
  EXPECT_TRUE(matches("time: '22:00-06:00', zone: utc"));
  EXPECT_TRUE(matches("time: '00:30-01:30', zone: '+01:00'"));
  EXPECT_TRUE(matches("days: mon-fri, zone: utc"));
  EXPECT_TRUE(matches("days: [tue, fri], zone: utc"));
  EXPECT_FALSE(matches("days: sat-thu, zone: utc"));
  EXPECT_TRUE(matches("days: sat, zone: '+01:00'"));
  EXPECT_TRUE(matches("days: fri, zone: '-10:00'"));
}

TEST_F(PolicyFacts, RedirectIsOfTcpAndOfUdpInItsFamily) {
  const std::string rules = "- {name: r, redirect: '192.0.2.7:8080'}";
  EXPECT_EQ(rule_of(rules), 0);
  facts_.key = key(Protocol::kTcp, "[fd00::2]:1", "[2001:db8::1]:443");
  EXPECT_EQ(rule_of(rules), 0);
  facts_.key = key(Protocol::kUdp, "[fd00::2]:1", "[2001:db8::1]:443");
  EXPECT_EQ(rule_of(rules), kDefaultRule);
  facts_.key = key(Protocol::kUdp, "100.64.0.2:1", "192.0.2.1:53");
  EXPECT_EQ(rule_of(rules), 0);
  facts_.key = key(Protocol::kIcmp, "100.64.0.2:1", "192.0.2.1:1");
  EXPECT_EQ(rule_of(rules), kDefaultRule);
}

TEST(Policy, NamesItsRules) {
  const Policy rules = policy("- {name: first, action: drop}\n- {name: second, action: drop}\n");
  EXPECT_EQ(rules.rule_name(0), "first");
  EXPECT_EQ(rules.rule_name(1), "second");
  EXPECT_EQ(rules.rule_name(2), "default");
  EXPECT_EQ(rules.rule_name(kDefaultRule), "default");
}

}  // namespace
}  // namespace gateway
