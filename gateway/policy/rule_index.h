// RuleIndex: which of many rules a flow may match, so that the others need not be asked.
//
// Theory of operation
//
//   protocol ---------> set of rules --.
//   destination ------> set of rules --|
//   source -----------> set of rules --+-- what is in all of them: asked in their order, exactly
//   destination port -> set of rules --|
//   tenant -----------> set of rules --|
//   names ------------> set of rules --'
//
// A set holds every rule that the flow's value does not rule out, those that do not ask for it
// included; the exact match is compiled_rule.h's alone. A bit stands for one rule, and for several
// where the sets of so many rules would take more than kMostBytes.
// tests/gateway/policy/rule_index_test.cc holds it against the plain walk.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway/config/settings.h"
#include "gateway/policy/flow_facts.h"
#include "gateway/policy/interval_sets.h"

namespace gateway {

/// Immutable, so any thread may ask.
class RuleIndex {
 public:
  static constexpr std::size_t kMostBytes =
      64 << 20;  // chosen: what 11,000 rules of two prefixes take

  /// Every tenant that a rule names is among `tenants`.
  RuleIndex(const std::vector<Rule>& rules, const std::vector<TenantSettings>& tenants,
            std::size_t most_bytes = kMostBytes);

  /// The position of the first rule before `end` for which `matches(position)`, or `end`. Not asked
  /// for those that cannot match.
  template <class Matches>
  [[nodiscard]] std::size_t find_first(const FlowFacts& facts, std::size_t end,
                                       Matches matches) const {
    if (end == 0) {
      return end;
    }
    const Sets sets = sets_of(facts);
    const std::size_t words =
        (end + rules_per_bit_ * BitSets::kWordBits - 1) / (rules_per_bit_ * BitSets::kWordBits);
    for (std::size_t word = 0; word < words; ++word) {
      for (BitSets::Word bits = sets.common(word); bits != 0; bits &= bits - 1) {
        const std::size_t bit =
            word * BitSets::kWordBits + static_cast<std::size_t>(std::countr_zero(bits));
        const std::size_t behind = std::min(end, (bit + 1) * rules_per_bit_);
        for (std::size_t i = bit * rules_per_bit_; i < behind; ++i) {
          if (matches(i)) {
            return i;
          }
        }
      }
    }
    return end;
  }

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  using SetsByName = std::unordered_map<std::string, std::size_t, TextHash, std::equal_to<>>;
  using TenantIds = std::unordered_map<std::string_view, std::uint32_t>;

  // The sets that one flow is in.
  struct Sets {
    static constexpr std::size_t kMostNamed = 16;  // chosen; with more, names rule nothing out

    std::array<const BitSets::Word*, 5> all{};
    std::array<const BitSets::Word*, kMostNamed> named{};
    std::size_t named_count = 0;

    // What a flow is in of them all, and of one of `named`.
    [[nodiscard]] BitSets::Word common(std::size_t word) const {
      BitSets::Word bits = ~BitSets::Word{0};
      for (const BitSets::Word* set : all) {
        bits &= set[word];
      }
      if (bits == 0 || named_count > kMostNamed) {
        return bits;
      }
      BitSets::Word any = 0;
      for (std::size_t i = 0; i < named_count; ++i) {
        any |= named[i][word];
      }
      return bits & any;
    }
  };

  void add(const Rule& rule, std::size_t bit, const TenantIds& tenants);
  void add_name(const std::string& pattern, std::size_t bit);
  [[nodiscard]] Sets sets_of(const FlowFacts& facts) const;
  // Those that ask for no name, or for one of these.
  void add_named(Sets& sets, const KnownNames& names) const;

  std::size_t rules_per_bit_;
  std::size_t bits_;
  IntervalSets protocols_;
  IntervalSets destinations_;
  IntervalSets sources_;
  IntervalSets destination_ports_;
  IntervalSets tenants_;
  BitSets named_;
  std::size_t unnamed_;
  std::size_t with_any_name_;  // "*"
  SetsByName with_name_;
  SetsByName below_domain_;  // "*.domain"
};

}  // namespace gateway
