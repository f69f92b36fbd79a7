// ExpiryWheel: which flows to look at when, without a timer per flow.
//
// Theory of operation
//
// A ring of slots, one tick apart; a slot is a doubly linked list of flow indices whose links live
// in the records. A packet only writes last_seen. When a slot comes up, each of its flows is shown
// to the owner, who answers with the next time to look (the flow was used meanwhile) or that it is
// gone. Deadlines further away than the ring are looked at once a turn. arm, disarm and a tick are
// O(1) per flow concerned. tests/flows/expiry_wheel_test.cc states the same.
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

  /// `table` outlives the wheel.
  ExpiryWheel(FlowTable& table, base::Instant now);

  /// Has `index` looked at when `deadline` has passed. Arming an armed flow moves it.
  void arm(FlowIndex index, base::Instant deadline);
  /// Does nothing when the flow is not armed.
  void disarm(FlowIndex index);

  /// Calls `due(index)` for every flow whose deadline has passed, each disarmed before the call.
  /// `due` may arm, disarm and erase any flow. Looks at no more than `budget` flows and returns
  /// whether it got through; call again soon when not.
  template <class Due>
  bool advance(base::Instant now, std::uint32_t budget, Due due);

  // Private members are the implementation's to choose (advance may be split into non-template
  // parts).
};

}  // namespace flows
