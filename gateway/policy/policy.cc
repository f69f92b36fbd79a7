#include "gateway/policy/policy.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "gateway/config/setting_list.h"

namespace gateway {
namespace {

// Whether two rules let the same flows through the same way: what else they do to those, and how
// many they let begin, may differ.
bool decides_like(const Rule& one, const Rule& other) {
  return one.name == other.name && one.match == other.match && one.action == other.action &&
         one.then == other.then && one.redirect == other.redirect;
}

}  // namespace

Policy::Policy(const Settings& settings, std::vector<std::uint16_t> numbers)
    : rules_(settings.rules),
      index_(settings.rules, settings.tenants),
      asks_for_bit_rate_(std::ranges::any_of(
          settings.rules, [](const Rule& rule) { return rule.match.bit_rate.has_value(); })),
      numbers_(std::move(numbers)) {
  CHECK(rules_.size() <= kMostRules);
  for (std::size_t i = numbers_.size(); i < rules_.size(); ++i) {
    numbers_.push_back(static_cast<std::uint16_t>(i));
  }
  compiled_.reserve(rules_.size());
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    compiled_.emplace_back(rules_[i], settings.tenants);
    by_name_.emplace(rules_[i].name, i);
    by_number_.emplace(numbers_[i], i);
  }
}

Decision Policy::decide(const FlowFacts& facts) const {
  const std::size_t position = find_first(
      facts, rules_.size(), [&](std::size_t i) { return !compiled_[i].first_failed(facts); });
  return decision_of(position, facts);
}

Decision Policy::decision_of(std::size_t position, const FlowFacts& facts) const {
  if (position >= rules_.size()) {
    return {facts.to_tunnel ? flows::Action::kForward : flows::Action::kUpgrade,
            flows::kDefaultRule};
  }
  const Rule& rule = rules_[position];
  return {.action = rule.action,
          .rule = numbers_[position],
          .then_downgrade = rule.then == Then::kDowngrade,
          .redirect = rule.redirect,
          .log = rule.log,
          .name = compiled_[position].name_of(facts),
          .mark = rule.mark.value_or(0),
          .dscp = rule.dscp.value_or(flows::kOwnDscp)};
}

std::size_t Policy::position_of(std::uint16_t number) const {
  const auto numbered = by_number_.find(number);
  return numbered == by_number_.end() ? rules_.size() : numbered->second;
}

std::optional<std::size_t> Policy::find(const Rule& rule) const {
  const auto named = by_name_.find(rule.name);
  const bool same = named != by_name_.end() && decides_like(rules_[named->second], rule);
  return same ? std::optional(named->second) : std::nullopt;
}

std::string_view Policy::rule_name(std::uint16_t number) const {
  if (number == flows::kHookRule) {
    return kHookRuleName;
  }
  const std::size_t position = position_of(number);
  return position < rules_.size() ? std::string_view(rules_[position].name) : kDefaultRuleName;
}

}  // namespace gateway
