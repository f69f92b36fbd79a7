#include "gateway/flow/waiting_flows.h"

#include "base/check.h"

namespace gateway {

using flows::FlowIndex;
using flows::FlowState;
using flows::kNone32;

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
    : links_(static_cast<Link*>(std::calloc(capacity, sizeof(Link)))) {
  CHECK(links_ != nullptr);
}

void WaitingFlows::add(WaitingLines& lines, FlowIndex flow, Wait wait) {
  Link& link = links_[number(flow)];
  CHECK(link.wait == 0);
  WaitingLine& line = lines[static_cast<std::size_t>(wait)];
  link = {.older = line.newest,
          .newer = kNone32,
          .wait = static_cast<std::uint8_t>(static_cast<unsigned>(wait) + 1)};
  (line.newest == kNone32 ? line.oldest : links_[line.newest].newer) = number(flow);
  line.newest = number(flow);
  ++line.size;
}

void WaitingFlows::remove(WaitingLines& lines, FlowIndex flow) {
  Link& link = links_[number(flow)];
  CHECK(link.wait != 0);
  WaitingLine& line = lines[link.wait - 1U];
  (link.older == kNone32 ? line.oldest : links_[link.older].newer) = link.newer;
  (link.newer == kNone32 ? line.newest : links_[link.newer].older) = link.older;
  link.wait = 0;
  --line.size;
}

}  // namespace gateway
