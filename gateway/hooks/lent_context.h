// HookDesk::Lent: a flow's context for the length of a call; what the call has put there stays with
// the flow. For the parts of HookDesk.
#pragma once

#include <utility>

#include "gateway/hooks/hook_desk.h"

namespace gateway {

class HookDesk::Lent {
 public:
  Lent(HookDesk& desk, flows::FlowIndex flow) : desk_(desk), flow_(flow) {
    const auto found = desk.contexts_.find(flow);
    slot_ = found == desk.contexts_.end() ? &fresh_ : &found->second;
  }
  ~Lent() {
    if (!fresh_.is_empty()) {
      desk_.contexts_.emplace(flow_, std::move(fresh_));
    }
  }
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;

  [[nodiscard]] hooks::FlowView view() { return desk_.view_of(flow_, *slot_); }

 private:
  HookDesk& desk_;
  flows::FlowIndex flow_;
  hooks::ContextSlot fresh_;
  hooks::ContextSlot* slot_ = nullptr;
};

}  // namespace gateway
