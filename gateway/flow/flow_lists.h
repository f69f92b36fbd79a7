// FlowLists: lists of flows in the order in which they came, of which each flow is in at most one;
// a tunnel's, for one.
//
// They are linked through an array beside the flow table, so that a flow joins and leaves, and a
// list is walked, at the same cost whether the table holds one flow or a million.
// tests/gateway/flow/flow_lists_test.cc states this.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>

#include "flows/flow.h"

namespace gateway {

/// Empty when it is new. A copy of it is the list from then on, and the original is none any more.
struct FlowList {
  std::uint32_t oldest = flows::kNone32;
  std::uint32_t newest = flows::kNone32;
  std::uint32_t size = 0;
};

/// Belongs to the shard's thread. Allocates once; memory is touched as it is used.
class FlowLists {
 public:
  /// For flows with indices below `capacity`, which is at most 2^31.
  explicit FlowLists(std::uint32_t capacity);

  /// Behind all others. It is in none of these lists yet.
  void add(FlowList& list, flows::FlowIndex flow);
  /// It is in this one.
  void remove(FlowList& list, flows::FlowIndex flow);

  /// The one that was added first.
  [[nodiscard]] static std::optional<flows::FlowIndex> oldest(const FlowList& list) {
    return list.size == 0 ? std::nullopt : std::optional(flows::FlowIndex{list.oldest});
  }
  /// Calls `visit(FlowIndex)` for each, the oldest first. `visit` may remove the flow that it is
  /// called for, and changes nothing else.
  template <class Visit>
  void for_each(const FlowList& list, Visit visit) const {
    for (std::uint32_t at = list.oldest; at != flows::kNone32;) {
      const std::uint32_t next = links_[at].newer;
      visit(flows::FlowIndex{at});
      at = next;
    }
  }

 private:
  static constexpr std::uint32_t kOldest = flows::kNone32;

  struct Link {
    std::uint32_t older;  // kOldest, else an index and one; 0: it is in no list
    std::uint32_t newer;
  };
  struct Free {
    void operator()(Link* links) const { std::free(links); }
  };

  std::unique_ptr<Link[], Free> links_;  // by flow index
};

}  // namespace gateway
