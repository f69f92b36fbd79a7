#include "gateway/policy/rule_index.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "gateway/config/config_loader.h"
#include "gateway/policy/policy.h"
#include "tests/support/addresses.h"

namespace gateway {
namespace {

using base::IpAddress;
using base::IpPrefix;
using base::Port;
using flows::Protocol;
using test_support::address;

// Few values, so that rules and flows meet.
class Maker {
 public:
  explicit Maker(unsigned seed) : random_(seed) {}

  Rule rule(std::size_t number) {
    Rule made;
    made.name = "r" + std::to_string(number);
    made.action = flows::Action::kReject;
    RuleMatch& match = made.match;
    some(match.tenant, {"acme", "other"});
    some(match.protocol, {Protocol::kTcp, Protocol::kUdp, Protocol::kIcmp, Protocol::kIcmpv6});
    some(match.name, {"example.com", "*.example.com", "*.com", "*", "www.example.com"});
    for (auto* prefixes : {&match.source, &match.destination}) {
      for (std::size_t count = below(4); count-- > 1;) {
        prefixes->push_back(prefix());
      }
    }
    for (std::size_t count = below(4); count-- > 1;) {
      const auto first = static_cast<std::uint16_t>(port());
      const auto last = static_cast<std::uint16_t>(std::min<std::size_t>(65'535, first + below(3)));
      match.destination_port.push_back({Port{first}, Port{last}});
    }
    if (below(8) == 0) {
      match.to_tunnel = below(2) == 0;
    }
    return made;
  }

  FlowFacts facts() {
    FlowFacts made;
    const bool v4 = below(2) == 0;
    made.key = {
        {host(v4), Port{port()}}, {host(v4), Port{port()}}, below(3) == 0 ? 9U : 7U, protocol(v4)};
    if (made.key.protocol != Protocol::kTcp && made.key.protocol != Protocol::kUdp) {
      made.key.source.port = made.key.destination.port = Port{0};
    }
    made.to_tunnel = below(4) == 0;
    for (std::size_t count = below(3); count-- > 0;) {
      static const std::vector<std::string> kNames = {"example.com", "www.example.com", "a.b.com",
                                                      "com", "localhost"};
      made.names.add({.text = kNames[below(kNames.size())]});
    }
    return made;
  }

 private:
  std::size_t below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_);
  }
  template <class Value>
  void some(std::vector<Value>& values, std::initializer_list<Value> all) {
    if (below(2) == 0) {
      for (const Value& value : all) {
        if (below(3) == 0) {
          values.push_back(value);
        }
      }
    }
  }
  template <class Value>
  void some(std::vector<Value>& values, std::initializer_list<const char*> all) {
    if (below(2) == 0) {
      for (const char* value : all) {
        if (below(3) == 0) {
          values.emplace_back(value);
        }
      }
    }
  }
  // The ends of what there is, too.
  std::uint16_t port() {
    static constexpr std::array<std::uint16_t, 7> kPorts = {0, 1, 53, 80, 81, 65'534, 65'535};
    return kPorts[below(kPorts.size())];
  }
  IpAddress host(bool v4) {
    static const std::vector<IpAddress> kV4 = {address("0.0.0.0"), address("10.0.0.1"),
                                               address("10.0.0.128"), address("10.255.255.255"),
                                               address("255.255.255.255")};
    static const std::vector<IpAddress> kV6 = {address("::"), address("fd00::1"),
                                               address("fd00:0:0:1::"), address("2001:db8::1"),
                                               address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")};
    const auto& all = v4 ? kV4 : kV6;
    return all[below(all.size())];
  }
  IpPrefix prefix() {
    const bool v4 = below(2) == 0;
    static constexpr std::array<std::uint8_t, 5> kV4 = {0, 8, 25, 31, 32};
    static constexpr std::array<std::uint8_t, 6> kV6 = {0, 10, 63, 64, 65, 128};
    return IpPrefix::of(host(v4), v4 ? kV4[below(kV4.size())] : kV6[below(kV6.size())]);
  }
  Protocol protocol(bool v4) {
    const std::array<Protocol, 4> all = {Protocol::kTcp, Protocol::kUdp,
                                         v4 ? Protocol::kIcmp : Protocol::kIcmpv6, Protocol{47}};
    return all[below(all.size())];
  }

  std::mt19937 random_;
};

Settings settings_with(std::size_t rules, Maker& maker) {
  Settings settings = *load_config("tenants: [{name: acme, id: 7}, {name: other, id: 9}]", "test");
  for (std::size_t i = 0; i < rules; ++i) {
    settings.rules.push_back(maker.rule(i));
  }
  return settings;
}

std::size_t walked(const Policy& policy, const FlowFacts& facts) {
  std::size_t i = 0;
  while (i < policy.rule_count() && policy.compiled(i).first_failed(facts)) {
    ++i;
  }
  return i;
}

TEST(RuleIndex, FindsTheRuleThatAWalkFinds) {
  std::size_t decided_by_a_later_rule = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    Maker maker(seed);
    const Policy policy(settings_with(seed % 40, maker));
    for (int i = 0; i < 200; ++i) {
      const FlowFacts facts = maker.facts();
      const std::size_t expected = walked(policy, facts);
      ASSERT_EQ(policy.position_of(policy.decide(facts).rule), expected) << "seed " << seed;
      decided_by_a_later_rule += expected > 3 && expected < policy.rule_count() ? 1U : 0U;
    }
  }
  EXPECT_GT(decided_by_a_later_rule, 1'000U) << "or the rules were too easy";
}

// A bit for each of thousands of rules, or for several. What is behind the end takes no part.
class RuleIndexOfThousands : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(MostBytes, RuleIndexOfThousands,
                         testing::Values(RuleIndex::kMostBytes, 1'000'000, 1));

TEST_P(RuleIndexOfThousands, FindsEveryRuleThatMatches) {
  Maker maker(1);
  const Settings settings = settings_with(3'000, maker);
  const Policy policy(settings);
  const RuleIndex index(settings.rules, settings.tenants, GetParam());
  for (int i = 0; i < 100; ++i) {
    const FlowFacts facts = maker.facts();
    std::vector<std::size_t> expected;
    for (std::size_t rule = 0; rule < 2'000; ++rule) {
      if (!policy.compiled(rule).first_failed(facts)) {
        expected.push_back(rule);
      }
    }
    std::vector<std::size_t> found;
    EXPECT_EQ(index.find_first(facts, 2'000,
                               [&](std::size_t rule) {
                                 EXPECT_LT(rule, 2'000U);
                                 if (!policy.compiled(rule).first_failed(facts)) {
                                   found.push_back(rule);
                                 }
                                 return false;
                               }),
              2'000U);
    EXPECT_EQ(found, expected);
  }
}

TEST(RuleIndex, AsksFewOfManyRulesThatDiffer) {
  Settings settings = *load_config("tenants: [{name: acme, id: 7}]", "test");
  for (unsigned i = 0; i < 1'000; ++i) {
    Rule rule;
    rule.name = "r" + std::to_string(i);
    rule.match.destination = {IpPrefix::of(IpAddress::v4(0x0a000000 + (i << 8U)), 24)};
    settings.rules.push_back(rule);
  }
  const Policy policy(settings);
  FlowFacts facts;
  facts.key = {
      {address("100.64.0.2"), Port{4000}}, {address("10.2.1.9"), Port{443}}, 7, Protocol::kTcp};
  std::vector<std::size_t> asked;
  const std::size_t none = policy.find_first(facts, 1'000, [&](std::size_t rule) {
    asked.push_back(rule);
    return false;
  });
  EXPECT_EQ(none, 1'000U);
  EXPECT_EQ(asked, (std::vector<std::size_t>{0x201}));
}

}  // namespace
}  // namespace gateway
