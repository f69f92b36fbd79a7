// WaitingFlows: flows that nobody has answered yet, each tenant's in the order in which they came.
//
// Theory of operation
//
// A flow waits from its first packet on: one of TCP until its handshake is finished, in which both
// ends have a part, any other until both its ends have sent something; one that was refused, for as
// long as it is remembered. What a flood opens waits; what is of use to somebody soon does not. So
// where a limit is met, a flow that waits gives way, and never one that was answered (as Linux's
// connection tracking has it, early_drop).
//
// Which one: the oldest, unless its tunnel has less than its equal part of what waits; then it goes
// to the end of the line. So who floods displaces what is his own. And while his tunnel is the one
// that wants the place, nothing gives way that has waited for less than kLeastWait: the new flow is
// refused instead. Otherwise a client would chase its own flows before they could be answered.
//
// tests/gateway/flow/waiting_flows_test.cc states this.
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>

#include "base/time.h"
#include "flows/flow.h"
#include "gateway/flow/flow_lists.h"

namespace gateway {

/// What a flow waits for.
enum class Wait : std::uint8_t {
  kDial,       // its upstream, which is being dialled
  kHandshake,  // the end of its handshake
  kAnswer,     // the first packet of its responder, or of who is to begin; or its end
};
inline constexpr std::size_t kWaitCount = 3;

/// Of one tenant, the line of each Wait.
using WaitingLines = std::array<FlowList, kWaitCount>;

[[nodiscard]] inline std::uint32_t waiting_in(const WaitingLines& lines, Wait wait) {
  return lines[static_cast<std::size_t>(wait)].size;
}

/// What `flow` waits for, if anything. `before`: what it waited for until now.
std::optional<Wait> wait_of(const flows::Flow& flow, std::optional<Wait> before);

/// Belongs to the shard's thread. Allocates once; memory is touched as it is used.
class WaitingFlows {
 public:
  static constexpr base::Duration kLeastWait = std::chrono::seconds(1);  // TCP repeats a SYN then

  /// For flows with indices below `capacity`.
  explicit WaitingFlows(std::uint32_t capacity);

  [[nodiscard]] std::optional<Wait> find(flows::FlowIndex flow) const {
    const std::uint8_t wait = waits_[number(flow)];
    return wait == 0 ? std::nullopt : std::optional(Wait(wait - 1));
  }
  /// Behind all others. It waits for nothing yet.
  void add(WaitingLines& lines, flows::FlowIndex flow, Wait wait);
  /// It waits for something, in these lines.
  void remove(WaitingLines& lines, flows::FlowIndex flow);

 private:
  struct Free {
    void operator()(std::uint8_t* waits) const { std::free(waits); }
  };

  FlowLists lists_;
  std::unique_ptr<std::uint8_t[], Free> waits_;  // by flow index: a Wait and one; 0: none
};

}  // namespace gateway
