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

// A policy as it is written in the file.
Policy policy(const std::string& rules) {
  const auto settings =
      load_config("tenants: [{name: acme, id: 7}, {name: other, id: 9}]\nrules:\n" + rules, "test");
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
  EXPECT_EQ(none.decide(kWeb, kOutside), (Decision{Action::kUpgrade, kDefaultRule}));
  EXPECT_EQ(none.decide(kWeb, kToTunnel), (Decision{Action::kForward, kDefaultRule}));
  EXPECT_EQ(none.rule_count(), 0u);
}

TEST(Policy, WithRulesDecidesTheSameWhenNoneMatches) {
  const Policy rules = policy("- {name: dns, match: {destination_port: 53}, action: drop}");
  EXPECT_EQ(rules.decide(kWeb, kOutside), (Decision{Action::kUpgrade, kDefaultRule}));
  EXPECT_EQ(rules.decide(kWeb, kToTunnel), (Decision{Action::kForward, kDefaultRule}));
}

TEST(Policy, UpgradeMayBeFollowedByADowngrade) {
  const Policy rules = policy(
      "- {name: web, match: {destination_port: 443}, action: upgrade, then: downgrade}\n"
      "- {name: rest, action: upgrade}\n");
  EXPECT_EQ(rules.decide(kWeb, kToTunnel), (Decision{Action::kUpgrade, 0, true}));
  EXPECT_EQ(rules.decide(key(Protocol::kTcp, "100.64.0.2:1", "192.0.2.1:80"), kToTunnel),
            (Decision{Action::kUpgrade, 1, false}));
}

TEST(Policy, FirstRuleThatMatchesWins) {
  const Policy rules = policy(
      "- {name: web, match: {destination_port: 443}, action: reject}\n"
      "- {name: rest, action: drop}\n"
      "- {name: never, action: upgrade}\n");
  EXPECT_EQ(rules.decide(kWeb, kOutside), (Decision{Action::kReject, 0}));
  EXPECT_EQ(rules.decide(key(Protocol::kTcp, "100.64.0.2:1", "192.0.2.1:80"), kOutside),
            (Decision{Action::kDrop, 1}));
}

TEST(Policy, EveryKeyOfAMatchMustHold) {
  const Policy rules = policy(
      "- {name: r, action: drop, match: {tenant: acme, protocol: tcp, source: 100.64.0.0/10,\n"
      "   destination: 192.0.2.0/24, source_port: 40000, destination_port: 443, to_tunnel: "
      "false}}");
  EXPECT_EQ(rules.decide(kWeb, kOutside).rule, 0);
  EXPECT_EQ(rules.decide(kWeb, kToTunnel).rule, kDefaultRule);
  for (const flows::FlowKey& other : {
           key(Protocol::kTcp, "100.64.0.2:40000", "192.0.2.1:443", 9),
           key(Protocol::kUdp, "100.64.0.2:40000", "192.0.2.1:443"),
           key(Protocol::kTcp, "100.128.0.2:40000", "192.0.2.1:443"),
           key(Protocol::kTcp, "100.64.0.2:40000", "192.0.3.1:443"),
           key(Protocol::kTcp, "100.64.0.2:40001", "192.0.2.1:443"),
           key(Protocol::kTcp, "100.64.0.2:40000", "192.0.2.1:444"),
       }) {
    EXPECT_EQ(rules.decide(other, kOutside).rule, kDefaultRule) << other.source.to_string();
  }
}

TEST(Policy, ListMeansAnyOf) {
  const Policy rules = policy(
      "- {name: r, action: drop, match: {tenant: [other, acme], protocol: [udp, tcp],\n"
      "   destination: [10.0.0.0/8, 192.0.2.1], destination_port: [80, 440-450]}}");
  EXPECT_EQ(rules.decide(kWeb, kOutside).rule, 0);
}

TEST(Policy, RangeIncludesBothItsEnds) {
  const Policy rules = policy("- {name: r, action: drop, match: {destination_port: 440-450}}");
  const auto rule_of = [&](const char* destination) {
    return rules.decide(key(Protocol::kTcp, "100.64.0.2:1", destination), kOutside).rule;
  };
  EXPECT_EQ(rule_of("192.0.2.1:439"), kDefaultRule);
  EXPECT_EQ(rule_of("192.0.2.1:440"), 0);
  EXPECT_EQ(rule_of("192.0.2.1:450"), 0);
  EXPECT_EQ(rule_of("192.0.2.1:451"), kDefaultRule);
}

TEST(Policy, PrefixOfOneFamilyDoesNotMatchTheOther) {
  const Policy rules = policy("- {name: six, action: drop, match: {destination: \"::/0\"}}");
  EXPECT_EQ(rules.decide(kWeb, kOutside).rule, kDefaultRule);
  EXPECT_EQ(rules.decide(key(Protocol::kTcp, "[fd00::2]:1", "[2001:db8::1]:443"), kOutside).rule,
            0);
}

TEST(Policy, EchoIdentifierIsNoPort) {
  const Policy rules = policy("- {name: dns, action: drop, match: {destination_port: 53}}");
  const flows::FlowKey ping = key(Protocol::kIcmp, "100.64.0.2:53", "192.0.2.1:53");
  EXPECT_EQ(rules.decide(ping, kOutside).rule, kDefaultRule);
}

TEST(Policy, ToTunnelMayBeRuledEitherWay) {
  const Policy rules = policy(
      "- {name: peers, match: {to_tunnel: true}, action: drop}\n"
      "- {name: others, match: {to_tunnel: false}, action: reject}\n");
  EXPECT_EQ(rules.decide(kWeb, kToTunnel), (Decision{Action::kDrop, 0}));
  EXPECT_EQ(rules.decide(kWeb, kOutside), (Decision{Action::kReject, 1}));
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
