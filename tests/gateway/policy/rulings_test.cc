// What a shard keeps of its policy: counts, limits, and what changes with a reload.
#include "gateway/policy/rulings.h"

#include <gtest/gtest.h>

#include "gateway/config/config_loader.h"
#include "gateway/policy/rejudge.h"
#include "gateway/policy/rule_names.h"

namespace gateway {
namespace {

using flows::Action;
using flows::kDefaultRule;

class RulingsTest : public testing::Test {
 protected:
  std::shared_ptr<const Policy> policy(const std::string& rules) {
    const auto settings =
        load_config("tenants: [{name: acme, id: 7}, {name: other, id: 9}]\nrules:\n" + rules, "t");
    if (!settings) {
      ADD_FAILURE() << settings.error()[0].to_string();
      return std::make_shared<const Policy>(default_settings());
    }
    return std::make_shared<const Policy>(*settings, names_.numbers_of(settings->rules).value());
  }
  static FlowFacts facts(std::uint16_t port, std::uint32_t tenant = 7) {
    FlowFacts facts;
    facts.key = {.source = *base::Endpoint::parse("100.64.0.2:4000"),
                 .destination = {*base::IpAddress::parse("192.0.2.1"), base::Port{port}},
                 .tenant = tenant,
                 .protocol = flows::Protocol::kTcp};
    facts.now = base::Instant(std::chrono::hours(1));
    return facts;
  }

  RuleNames names_;
};

TEST_F(RulingsTest, CountsWhatEachRuleDecides) {
  Rulings rulings(
      policy("- {name: web, match: {destination_port: 80}, action: drop}\n"
             "- {name: tls, match: {destination_port: 443}, action: drop}\n"));
  rulings.decide(facts(443));
  rulings.decide(facts(443));
  rulings.decide(facts(22));
  EXPECT_EQ(rulings.peek(facts(80)).rule, 0);
  EXPECT_EQ(rulings.counts(), (std::vector<std::uint64_t>{0, 2}));
  EXPECT_EQ(rulings.default_count(), 1u);
}

TEST_F(RulingsTest, LimitIsForEachTenantByItself) {
  Rulings rulings(policy("- {name: web, action: upgrade, limit: 2/m}"));
  EXPECT_FALSE(rulings.decide(facts(80)).is_over_limit);
  EXPECT_FALSE(rulings.peek(facts(80)).is_over_limit);
  EXPECT_FALSE(rulings.decide(facts(80)).is_over_limit);
  EXPECT_TRUE(rulings.peek(facts(80)).is_over_limit) << "asking takes nothing";
  EXPECT_TRUE(rulings.decide(facts(80)).is_over_limit);
  EXPECT_FALSE(rulings.decide(facts(80, 9)).is_over_limit);
  FlowFacts later = facts(80);
  later.now += std::chrono::seconds(30);
  EXPECT_FALSE(rulings.decide(later).is_over_limit) << "one each 30 s comes back";
  EXPECT_TRUE(rulings.decide(later).is_over_limit);
}

TEST_F(RulingsTest, RulesThatGoOnKeepTheirNumbersCountsAndLimits) {
  Rulings rulings(
      policy("- {name: web, match: {destination_port: 80}, action: drop}\n"
             "- {name: rest, action: upgrade, limit: 1/h}\n"));
  rulings.decide(facts(80));
  EXPECT_FALSE(rulings.decide(facts(443)).is_over_limit);
  rulings.replace(
      policy("- {name: new, match: {destination_port: 25}, action: drop}\n"
             "- {name: rest, action: upgrade, limit: 1/h}\n"));
  const Decision again = rulings.decide(facts(443));
  EXPECT_EQ(again.rule, 1) << "as before";
  EXPECT_TRUE(again.is_over_limit);
  EXPECT_EQ(rulings.decide(facts(25)).rule, 2);
  EXPECT_EQ(rulings.counts(), (std::vector<std::uint64_t>{1, 2, 1}));
  EXPECT_EQ(names_.name(0), "web") << "what a late audit line says";
  EXPECT_EQ(names_.name(2), "new");
  EXPECT_EQ(names_.name(kDefaultRule), "default");
}

TEST_F(RulingsTest, ChangedLimitBeginsAnew) {
  Rulings rulings(policy("- {name: rest, action: upgrade, limit: 1/h}"));
  rulings.decide(facts(443));
  rulings.replace(policy("- {name: rest, action: upgrade, limit: 1/m}"));
  EXPECT_FALSE(rulings.decide(facts(443)).is_over_limit);
}

class Rejudge : public RulingsTest {};

constexpr auto kWeb = "- {name: web, match: {destination_port: 80}, action: upgrade}\n";
constexpr auto kRest = "- {name: rest, action: reject}\n";

TEST_F(Rejudge, FlowOfARuleThatStaysIsLeftAlone) {
  const auto before = policy(std::string(kWeb) + kRest);
  EXPECT_FALSE(rejudge(0, facts(80), *before, *before));
  const auto now = policy("- {name: mail, match: {destination_port: 25}, action: drop}\n" +
                          std::string(kWeb) + "- {name: rest, action: drop}\n");
  EXPECT_FALSE(rejudge(0, facts(80), *before, *now));
}

TEST_F(Rejudge, NewRuleBeforeItsOwnDecides) {
  const auto before = policy(std::string(kWeb) + kRest);
  const auto now = policy("- {name: no-net, match: {destination: 192.0.2.0/24}, action: reject}\n" +
                          std::string(kWeb) + kRest);
  const auto decision = rejudge(0, facts(80), *before, *now);
  ASSERT_TRUE(decision);
  EXPECT_EQ(decision->action, Action::kReject);
  EXPECT_EQ(names_.name(decision->rule), "no-net");
}

TEST_F(Rejudge, RuleThatLetItPassThenDoesNotJudgeItAgain) {
  // It matched no flow then, because there were too few.
  const std::string busy = "- {name: busy, match: {open_flows: '>0'}, action: reject}\n";
  const auto before = policy(busy + kWeb + kRest);
  const auto now = policy(busy + kWeb + "- {name: rest, action: drop}\n");
  FlowFacts later = facts(80);
  later.open_flows = 9;
  EXPECT_FALSE(rejudge(1, later, *before, *now));
}

TEST_F(Rejudge, FlowWhoseRuleHasGoneIsJudgedByAll) {
  const auto before = policy(std::string(kWeb) + kRest);
  const auto now = policy(kRest);
  const auto decision = rejudge(0, facts(80), *before, *now);
  ASSERT_TRUE(decision);
  EXPECT_EQ(names_.name(decision->rule), "rest");
  const auto none = rejudge(0, facts(80), *before, Policy(default_settings()));
  ASSERT_TRUE(none);
  EXPECT_EQ(*none, (Decision{Action::kUpgrade, kDefaultRule}));
}

// A rule about the moment would not let the flow in now.
TEST_F(Rejudge, RuleThatOnlyBoundsOrLogsOtherwiseStillDecides) {
  const std::string first = "- {name: first, match: {open_flows: '>0'}, action: upgrade";
  const auto before = policy(first + ", bandwidth: 1Mbit/s}\n" + kRest);
  const auto now = policy(first + ", bandwidth: 2Mbit/s, limit: 7/m, log: true}\n" + kRest);
  EXPECT_FALSE(rejudge(0, facts(80), *before, *now));
}

TEST_F(Rejudge, RuleThatMovedBeforeItsOwnDecides) {
  const auto before = policy(std::string(kWeb) + kRest);
  const auto now = policy(std::string(kRest) + kWeb);
  const auto decision = rejudge(0, facts(80), *before, *now);
  ASSERT_TRUE(decision);
  EXPECT_EQ(names_.name(decision->rule), "rest");
}

}  // namespace
}  // namespace gateway
