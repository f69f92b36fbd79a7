// Policy: what becomes of a new flow.
//
// The rules are tried in the order of the file and the first that matches decides. When none does,
// and without rules, packets to a tunnel of the same tenant are forwarded and everything else is
// upgraded. Port conditions hold for TCP and UDP only: an ICMP echo identifier that happens to be
// 53 is not DNS. tests/gateway/policy/policy_test.cc states the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "flows/flow.h"
#include "gateway/config/settings.h"
#include "gateway/policy/compiled_rule.h"
#include "gateway/policy/rule_index.h"

namespace gateway {

struct Decision {
  flows::Action action{};
  std::uint16_t rule = flows::kDefaultRule;  // its number
  bool then_downgrade = false;
  std::optional<Redirect> redirect{};      // dials this instead
  bool log = false;                        // a line is wanted
  bool is_over_limit = false;              // the rule lets no more flows begin now
  flows::NameIndex name = flows::kNoName;  // of the destination, that the rule asked for
  std::uint32_t mark = 0;                  // for the flow to carry; 0: none
  flows::Dscp dscp = flows::kOwnDscp;      // the same

  friend bool operator==(const Decision&, const Decision&) = default;
};

/// Immutable, so any thread may ask.
class Policy {
 public:
  /// `settings` have been checked: every tenant that a rule names exists. `numbers` are the rules'
  /// (RuleNames); without, a rule's number is its position.
  explicit Policy(const Settings& settings, std::vector<std::uint16_t> numbers = {});
  Policy(const Policy&) = delete;
  Policy& operator=(const Policy&) = delete;

  /// Knows no limits: see Rulings.
  [[nodiscard]] Decision decide(const FlowFacts& facts) const;
  /// RuleIndex::find_first().
  template <class Matches>
  [[nodiscard]] std::size_t find_first(const FlowFacts& facts, std::size_t end,
                                       Matches matches) const {
    return index_.find_first(facts, end, matches);
  }
  /// What follows if the rule at this position decides; behind the last, the default.
  [[nodiscard]] Decision decision_of(std::size_t position, const FlowFacts& facts) const;

  /// Whether a rule asks how much a tunnel carries.
  [[nodiscard]] bool asks_for_bit_rate() const { return asks_for_bit_rate_; }
  [[nodiscard]] std::size_t rule_count() const { return rules_.size(); }
  [[nodiscard]] const Rule& rule(std::size_t position) const { return rules_[position]; }
  /// As decide() asks it.
  [[nodiscard]] const CompiledRule& compiled(std::size_t position) const {
    return compiled_[position];
  }
  [[nodiscard]] std::uint16_t number_of(std::size_t position) const { return numbers_[position]; }
  /// Behind the last: the default's, and that of a number which no rule has.
  [[nodiscard]] std::size_t position_of(std::uint16_t number) const;
  /// "default" for what no rule has.
  [[nodiscard]] std::string_view rule_name(std::uint16_t number) const;
  /// Where a rule is that decides the same, wherever it stands, and whatever it bounds and logs.
  [[nodiscard]] std::optional<std::size_t> find(const Rule& rule) const;

 private:
  std::vector<CompiledRule> compiled_;
  std::vector<Rule> rules_;
  RuleIndex index_;
  bool asks_for_bit_rate_;
  std::vector<std::uint16_t> numbers_;
  std::unordered_map<std::uint16_t, std::size_t> by_number_;
  std::unordered_map<std::string_view, std::size_t> by_name_;  // in rules_
};

}  // namespace gateway
