// rejudge: what new rules make of a flow that lives. Pure.
//
// The flow was judged when it began, and rules that stood then do not judge it again: a rule about
// the time of day, a rate or a name forbids flows to begin, not to go on. So it is judged by the
// rules that are new, or have moved, and stand before its own; and when its own has gone, by all.
#pragma once

#include <optional>

#include "flows/flow.h"
#include "gateway/policy/policy.h"

namespace gateway {

/// What decides now a flow that `rule`, a number of the rules `before`, had decided. Nothing: that
/// rule still does.
std::optional<Decision> rejudge(std::uint16_t rule, const FlowFacts& facts, const Policy& before,
                                const Policy& now);

}  // namespace gateway
