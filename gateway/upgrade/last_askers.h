// LastAskers: which of the flows that share an upstream is answered: the one that has asked last.
//
//   upstream --> its flows, the one that has asked last at the end
//   flow     --> its place there
//
// A client chooses how many flows share an upstream, so no call walks over them: asking again moves
// one entry and allocates nothing, and so does leaving. The order is of all, not only the last, for
// when that one leaves, the one that has asked before it is answered.
#pragma once

#include <list>
#include <map>
#include <optional>
#include <unordered_map>

#include "base/endpoint.h"
#include "flows/flow.h"

namespace gateway {

class LastAskers {
 public:
  [[nodiscard]] bool empty() const { return places_.empty(); }

  /// `flow`, which is not here yet, asks `upstream`.
  void add(flows::FlowIndex flow, const base::Endpoint& upstream);
  /// It asks again. Nothing happens when it is not here, below neither.
  void ask(flows::FlowIndex flow);
  void remove(flows::FlowIndex flow);

  /// Nothing: none of the flows here asks `upstream`.
  [[nodiscard]] std::optional<flows::FlowIndex> last_of(const base::Endpoint& upstream) const;

 private:
  using Askers = std::list<flows::FlowIndex>;
  using ByUpstream = std::map<base::Endpoint, Askers>;
  struct Place {
    ByUpstream::iterator upstream;
    Askers::iterator asker;
  };

  ByUpstream by_upstream_;
  std::unordered_map<flows::FlowIndex, Place> places_;
};

}  // namespace gateway
