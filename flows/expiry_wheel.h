// ExpiryWheel: which flows to look at when, without a timer per flow.
//
// Theory of operation
//
// A ring of slots, one tick apart; a slot is a doubly linked list of flow indices whose links live
// in the records. A packet only writes last_seen. When a slot comes up, each of its flows is shown
// to the owner, who answers with the next time to look (the flow was used meanwhile) or that it is
// gone. Deadlines further away than the ring are looked at once a turn. arm, disarm and a tick are
// O(1) per flow concerned. tests/flows/expiry_wheel_test.cc states the same.
//
// Ticks are counted from the epoch of the clock, not from the start of the wheel: what the records
// say stays true for a process that takes them over.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "flows/flow_table.h"

namespace flows {

/// Belongs to the table's thread. Never fires early; late by at most one tick.
class ExpiryWheel {
 public:
  static constexpr base::Duration kTick = std::chrono::milliseconds(250);
  static constexpr std::uint32_t kSlots = 4096;  // chosen: 17 minutes a turn

  /// `table` outlives the wheel, and stays where it is. `now` is not before the clock's epoch.
  ExpiryWheel(FlowTable& table, base::Instant now);

  /// Has `index` looked at when `deadline` has passed. Arming an armed flow moves it. A deadline in
  /// the past is looked at with the next tick.
  void arm(FlowIndex index, base::Instant deadline);
  /// Does nothing when the flow is not armed.
  void disarm(FlowIndex index);

  /// Calls `due(index)` for every flow whose deadline has passed, each disarmed before the call.
  /// `due` may arm, disarm and erase any flow. Looks at no more than `budget` flows and returns
  /// whether it got through; call again soon when not.
  template <class Due>
  bool advance(base::Instant now, std::uint32_t budget, Due due) {
    begin(now);
    while (const auto index = take_due(budget)) {
      due(*index);
    }
    return tick_ > now_tick_;
  }

 private:
  void begin(base::Instant now);
  // The next flow that is due, disarmed; lowers `budget` by what it looked at. Nothing when there
  // is none, or no budget.
  std::optional<FlowIndex> take_due(std::uint32_t& budget);
  std::uint32_t& head_of(std::uint32_t tick) { return heads_[tick % kSlots]; }

  FlowTable* table_;
  std::vector<std::uint32_t> heads_;  // by slot: the first record of the list, or kNone32
  std::uint32_t now_tick_;            // the last tick that has come
  std::uint32_t tick_;                // the first tick whose slot is not done
  // Where the walk through the slot of tick_ goes on, while it is under way. Whatever leaves the
  // list moves it along, so that `due` may disarm anything.
  std::uint32_t cursor_ = kNone32;
  bool in_slot_ = false;
};

}  // namespace flows
