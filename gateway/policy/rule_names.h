// RuleNames: a number for each name that a rule has ever had here.
//
// Flows carry the number of the rule that decided them, and audit lines are written later; a reload
// may have changed the rules meanwhile. So a number keeps its meaning for the life of the gateway.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "flows/flow.h"
#include "gateway/config/settings.h"

namespace gateway {

/// Shared by threads; asked off the packet path.
class RuleNames {
 public:
  static constexpr std::size_t kMost = flows::kHookRule;

  /// The numbers of `rules`, in their order. Nothing, and nothing has changed, when there have been
  /// too many different names.
  [[nodiscard]] std::optional<std::vector<std::uint16_t>> numbers_of(
      const std::vector<Rule>& rules);

  /// "hook" for flows::kHookRule, "default" for flows::kDefaultRule and what no rule has ever had.
  [[nodiscard]] std::string name(std::uint16_t number) const;
  /// By number.
  [[nodiscard]] std::vector<std::string> all() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::uint16_t> numbers_;
};

}  // namespace gateway
