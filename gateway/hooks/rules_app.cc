#include "gateway/hooks/rules_app.h"

#include "gateway/policy/rejudge.h"

namespace gateway {

using flows::Action;
using hooks::FlowRuling;

FlowRuling RulesApp::flow_decide(const hooks::FlowStart& start) {
  const auto& question = static_cast<const RulesQuestion&>(start);
  decided_ = {.action = Action::kDrop};  // not the last one's, if the rules should throw
  decided_ = start.hypothetical ? rulings_.peek(question.facts) : rulings_.decide(question.facts);
  return as_ruling(decided_);
}

std::optional<FlowRuling> RulesApp::decide_again(std::uint16_t rule, const FlowFacts& facts,
                                                 const Policy& before) {
  const auto again = rejudge(rule, facts, before, rulings_.policy());
  if (!again) {
    return std::nullopt;
  }
  decided_ = *again;
  return as_ruling(*again);
}

FlowRuling as_ruling(const Decision& decision) {
  if (decision.is_over_limit) {
    return FlowRuling::drop();
  }
  switch (decision.action) {
    case Action::kUpgrade:
      if (decision.then_downgrade) {
        return FlowRuling::upgrade_then_downgrade();
      }
      return decision.redirect
                 ? FlowRuling::redirect({decision.redirect->address, decision.redirect->port})
                 : FlowRuling::upgrade();
    case Action::kForward:
      return FlowRuling::forward();
    case Action::kReject:
      return FlowRuling::reject();
    case Action::kDrop:
    case Action::kDowngrade:  // no rule can
      break;
  }
  return FlowRuling::drop();
}

}  // namespace gateway
