// HookTrace: which hooks have run for a flow, in what order, how long, and what each decided.
//
// A ring of flows of fixed size, the latest stay. A flow's first hook runs before the flow has an
// id: what it did waits until the flow is opened, or another begins.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "gateway/hooks/hook_id.h"

namespace gateway::hooks {

/// Whose hook it is: the rules are the first app of every gateway (rules_app.h).
enum class HookApp : std::uint8_t { kRules, kUsers };

/// One call of a hook.
struct HookCall {
  static constexpr std::size_t kMostText = 48;

  HookId hook{};
  HookApp app = HookApp::kUsers;
  bool failed = false;  // it threw, and the default was taken
  base::Instant at{};
  base::Duration took{};
  std::array<char, kMostText> text{};  // what it answered; empty: it is an event

  void set_text(std::string_view answer);
  [[nodiscard]] std::string_view answer() const;
};

/// Belongs to the shard's thread.
class HookTrace {
 public:
  static constexpr std::size_t kMostCalls = 16;  // of a flow; more are only counted

  struct FlowCalls {
    std::uint64_t flow = 0;
    std::uint32_t count = 0;
    std::array<HookCall, kMostCalls> calls{};
  };

  /// Of so many flows; 0: of none.
  explicit HookTrace(std::uint32_t flows) : ring_(flows) {}

  [[nodiscard]] bool is_on() const { return !ring_.empty(); }
  /// Of a flow that has no id yet. `is_first`: what waited before is forgotten.
  void begin() { waiting_.count = 0; }
  void add(std::uint64_t flow, const HookCall& call);
  /// What waits belongs to `flow`.
  void adopt(std::uint64_t flow);
  [[nodiscard]] const FlowCalls* find(std::uint64_t flow) const;

 private:
  FlowCalls& calls_of(std::uint64_t flow);

  std::vector<FlowCalls> ring_;
  std::unordered_map<std::uint64_t, std::size_t> by_flow_;
  std::size_t next_ = 0;
  FlowCalls waiting_;
};

}  // namespace gateway::hooks
