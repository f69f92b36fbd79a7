#include "gateway/flow/waiting_flows.h"

#include "base/check.h"

namespace gateway {

using flows::FlowIndex;
using flows::FlowState;

std::optional<Wait> wait_of(const flows::Flow& flow, std::optional<Wait> before) {
  if (flows::is_denied(flow)) {
    return Wait::kAnswer;
  }
  if (flow.key.protocol != flows::Protocol::kTcp) {
    const bool both_spoke = flow.up.packets > 0 && flow.replies > 0;
    return both_spoke ? std::nullopt : std::optional(Wait::kAnswer);
  }
  switch (flow.state) {
    case FlowState::kDialing:
      return Wait::kDial;
    case FlowState::kSynReceived:
      return Wait::kHandshake;
    case FlowState::kEstablished:
    case FlowState::kClosing:
      return std::nullopt;
    case FlowState::kTimeWait:  // without a handshake, if it has waited until now
      return before ? std::optional(Wait::kAnswer) : std::nullopt;
  }
  base::check_failed("state is a FlowState", __FILE__, __LINE__);
}

// calloc, because the kernel's zeros cost nothing until they are touched.
WaitingFlows::WaitingFlows(std::uint32_t capacity)
    : lists_(capacity), waits_(static_cast<std::uint8_t*>(std::calloc(capacity, 1))) {
  CHECK(waits_ != nullptr);
}

void WaitingFlows::add(WaitingLines& lines, FlowIndex flow, Wait wait) {
  CHECK(!find(flow));
  lists_.add(lines[static_cast<std::size_t>(wait)], flow);
  waits_[number(flow)] = static_cast<std::uint8_t>(static_cast<unsigned>(wait) + 1);
}

void WaitingFlows::remove(WaitingLines& lines, FlowIndex flow) {
  const auto wait = find(flow);
  CHECK(wait);
  lists_.remove(lines[static_cast<std::size_t>(*wait)], flow);
  waits_[number(flow)] = 0;
}

}  // namespace gateway
