#include "gateway/policy/rule_names.h"

#include <algorithm>

#include "gateway/inspect/flow_json.h"

namespace gateway {

std::optional<std::vector<std::uint16_t>> RuleNames::numbers_of(const std::vector<Rule>& rules) {
  const std::scoped_lock lock(mutex_);
  const auto is_new = [&](const Rule& rule) { return !numbers_.contains(rule.name); };
  if (names_.size() + static_cast<std::size_t>(std::ranges::count_if(rules, is_new)) > kMost) {
    return std::nullopt;
  }
  std::vector<std::uint16_t> numbers;
  for (const Rule& rule : rules) {
    const auto [number, added] =
        numbers_.emplace(rule.name, static_cast<std::uint16_t>(names_.size()));
    if (added) {
      names_.push_back(rule.name);
    }
    numbers.push_back(number->second);
  }
  return numbers;
}

std::string RuleNames::name(std::uint16_t number) const {
  if (number == flows::kHookRule) {
    return std::string(kHookRuleName);
  }
  const std::scoped_lock lock(mutex_);
  return number < names_.size() ? names_[number] : std::string(kDefaultRuleName);
}

std::vector<std::string> RuleNames::all() const {
  const std::scoped_lock lock(mutex_);
  return names_;
}

}  // namespace gateway
