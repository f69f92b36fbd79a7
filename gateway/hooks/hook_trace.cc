#include "gateway/hooks/hook_trace.h"

#include <algorithm>

namespace gateway::hooks {
namespace {

void append(HookTrace::FlowCalls& calls, const HookCall& call) {
  if (calls.count < HookTrace::kMostCalls) {
    calls.calls.at(calls.count) = call;
  }
  ++calls.count;
}

}  // namespace

void HookCall::set_text(std::string_view answer) {
  text = {};
  std::ranges::copy(answer.substr(0, kMostText), text.begin());
}

std::string_view HookCall::answer() const {
  const auto* const end = std::ranges::find(text, '\0');
  return {text.begin(), end};
}

void HookTrace::add(std::uint64_t flow, const HookCall& call) {
  append(flow == 0 ? waiting_ : calls_of(flow), call);
}

void HookTrace::adopt(std::uint64_t flow) {
  if (waiting_.count > 0) {
    FlowCalls& calls = calls_of(flow);
    calls = waiting_;
    calls.flow = flow;
    waiting_.count = 0;
  }
}

const HookTrace::FlowCalls* HookTrace::find(std::uint64_t flow) const {
  const auto found = by_flow_.find(flow);
  return found == by_flow_.end() ? nullptr : &ring_[found->second];
}

HookTrace::FlowCalls& HookTrace::calls_of(std::uint64_t flow) {
  if (const auto found = by_flow_.find(flow); found != by_flow_.end()) {
    return ring_[found->second];
  }
  FlowCalls& calls = ring_[next_];
  by_flow_.erase(calls.flow);
  by_flow_[flow] = next_;
  next_ = (next_ + 1) % ring_.size();
  calls.flow = flow;
  calls.count = 0;
  return calls;
}

}  // namespace gateway::hooks
