#include "gateway/policy/rejudge.h"

namespace gateway {

std::optional<Decision> rejudge(std::uint16_t rule, const FlowFacts& facts, const Policy& before,
                                const Policy& now) {
  const std::size_t was = before.position_of(rule);
  const bool by_default = was == before.rule_count();
  const auto kept = by_default ? std::optional(now.rule_count()) : now.find(before.rule(was));
  const std::size_t end = kept.value_or(now.rule_count());
  const std::size_t decides = now.find_first(facts, end, [&](std::size_t i) {
    const auto stood = before.find(now.rule(i));
    const bool has_judged_it = kept && stood && *stood < was;
    return !has_judged_it && !now.compiled(i).first_failed(facts);
  });
  return kept && decides == end ? std::nullopt : std::optional(now.decision_of(decides, facts));
}

}  // namespace gateway
