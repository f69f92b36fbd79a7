// BindingTable: the (outside address, outside port) slots that upgraded flows claim.
//
// Theory of operation
//
// Inside the sandbox every address is ours, so a slot needs no lookup: slot i *is* the endpoint
//
//     (first address + i / ports per address, first port + i % ports per address)
//
// in either family, and the peer address of an accepted connection names the flow by arithmetic.
// Slots are handed out fresh first, then in the order of their release, so each rests as long as
// possible: the sandbox's kernel may still hold the old connection in TIME-WAIT.
//
//     free --claim()--> claimed --release()--> free, at the end of the queue
//
// Exhaustion refuses the new flow and never touches a live one.
//
// A flow may hold two slots: one stands for its client towards our listener, the other for the
// server that a socket of ours connects to. What belongs to a slot beside its flow is the holder's
// to say: its note.
// tests/nat/binding_table_test.cc states the same as tests.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/endpoint.h"
#include "base/result.h"
#include "flows/drop.h"
#include "flows/flow.h"

namespace nat {

enum class BindingIndex : std::uint32_t {};
[[nodiscard]] constexpr std::uint32_t number(BindingIndex index) {
  return static_cast<std::uint32_t>(index);
}

/// Slots are the same for both families; a flow uses the address of its own.
struct BindingRange {
  base::IpAddress first_v4;
  base::IpAddress first_v6;
  base::Port first_port{1024};
  base::Port last_port{65535};    // inclusive
  std::uint32_t slots = 1 << 20;  // addresses needed: slots / ports, rounded up
};

enum class Family : std::uint8_t { kV4, kV6 };

/// Belongs to one shard's thread. Memory is reserved for all slots and touched as they are first
/// used; nothing grows or moves.
class BindingTable {
 public:
  /// `range` has at least one port above 0 and one slot, and wraps around in neither family.
  explicit BindingTable(const BindingRange& range);

  /// Claims the slot that has rested longest, in O(1). Fails with kNoFreeBinding; nothing has
  /// changed then.
  base::Result<BindingIndex, flows::Drop> claim(flows::FlowIndex flow);
  /// Gives a claimed slot back; releasing a free one is a bug and aborts.
  void release(BindingIndex binding);

  /// The slot's address in the namespace.
  [[nodiscard]] base::Endpoint outside(BindingIndex binding, Family family) const;
  /// The claimed slot that has this endpoint; empty when it is free or not of the range.
  [[nodiscard]] std::optional<BindingIndex> find(const base::Endpoint& outside) const;
  /// The flow that holds a claimed slot.
  [[nodiscard]] flows::FlowIndex flow(BindingIndex binding) const;
  /// A word of the holder's own about a claimed slot; flows::kNone32 when it was claimed.
  [[nodiscard]] std::uint32_t note(BindingIndex binding) const;
  void set_note(BindingIndex binding, std::uint32_t note);

  [[nodiscard]] std::uint32_t claimed() const { return claimed_; }
  [[nodiscard]] std::uint32_t capacity() const { return range_.slots; }

 private:
  struct Slot {
    flows::FlowIndex flow = flows::kNoFlowIndex;  // kNoFlowIndex: free
    // While free: the one that was released after this one. While claimed: the holder's note.
    std::uint32_t next_or_note = flows::kNone32;
  };

  [[nodiscard]] const base::IpAddress& first(Family family) const {
    return family == Family::kV4 ? range_.first_v4 : range_.first_v6;
  }
  [[nodiscard]] bool is_claimed(std::uint32_t slot) const {
    return slot < slots_.size() && slots_[slot].flow != flows::kNoFlowIndex;
  }

  BindingRange range_;
  std::uint32_t ports_;      // per address
  std::vector<Slot> slots_;  // those that were ever used; its capacity is there from the start
  std::uint32_t longest_free_ = flows::kNone32;  // the queue of released slots: its head
  std::uint32_t last_freed_ = flows::kNone32;    // and its tail
  std::uint32_t claimed_ = 0;
};

}  // namespace nat
