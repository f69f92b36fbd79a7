// RulesApp: the rules of the file, as the first app that is asked what becomes of a flow.
//
// It has one hook of the table, flow_decide, and answers with the ruling that any app would: a
// redirect is one `to`, a limit that is met a drop. The app that the program was built with is
// asked after it, told what it has ruled, and a trace shows both. What a ruling has no word for is
// the gateway's own and stays in decided(): the rule's number, the name that it asked for, whether
// it wants a line.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "gateway/hooks/app.h"
#include "gateway/policy/flow_facts.h"
#include "gateway/policy/policy.h"
#include "gateway/policy/rulings.h"

namespace gateway {

/// What the rules are told: besides what any app is, all that a rule can ask about.
struct RulesQuestion : hooks::FlowStart {
  const FlowFacts& facts;
};

/// Belongs to the shard's thread.
class RulesApp final : public hooks::ShardHooks, public hooks::FlowDecide {
 public:
  static constexpr std::string_view kName = "rules";

  /// `rulings` outlive it.
  explicit RulesApp(Rulings& rulings) : rulings_(rulings) {}

  /// `start` is a RulesQuestion.
  hooks::FlowRuling flow_decide(const hooks::FlowStart& start) override;
  /// Of a flow that lives, which the rule of this number had decided when the rules were `before`.
  /// Nothing: it still does. No hook, for there is one question for each flow that lives.
  std::optional<hooks::FlowRuling> decide_again(std::uint16_t rule, const FlowFacts& facts,
                                                const Policy& before);
  /// What was ruled last, in full.
  [[nodiscard]] const Decision& decided() const { return decided_; }

 private:
  Rulings& rulings_;
  Decision decided_;
};

/// Of what it says about flows, the part that a ruling has a word for.
[[nodiscard]] hooks::FlowRuling as_ruling(const Decision& decision);

}  // namespace gateway
