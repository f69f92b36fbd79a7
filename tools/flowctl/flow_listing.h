// FlowListing: the flows of a running gateway, read from its own memory.
//
// The reply to `flows` is a descriptor of each flow region, mapped read-only here, and the names of
// the numbers in them. A flow's id says which region it is in (flows/flow_id.h). Nothing is copied
// but ids and indices, to list the flows in the order of their ids: 16 bytes a flow.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"
#include "flows/flow_id.h"
#include "flows/flow_snapshot.h"
#include "gateway/inspect/flow_filter.h"
#include "gateway/inspect/flow_json.h"
#include "tools/flowctl/failure.h"
#include "tools/flowctl/gateway_access.h"

namespace flowctl {

/// The names of tenants, tunnels and rules by number. What has no name is "#" and its number.
class NameBook {
 public:
  using Names = std::unordered_map<std::uint32_t, std::string>;
  NameBook(Names tenants, Names tunnels, Names rules);

  /// Good for as long as the book. Without the host's name, which is in the region.
  [[nodiscard]] gateway::FlowNames of(const flows::Flow& flow) const;
  /// Whether of() was asked for what it has no name for: it may have come since.
  [[nodiscard]] bool has_made_names_up() const { return made_up_; }
  [[nodiscard]] bool knows_tunnel(std::uint32_t id) const { return tunnels_.contains(id); }
  /// By its name or its number.
  [[nodiscard]] bool knows_tenant(std::string_view tenant) const;
  /// In the order of the alphabet.
  [[nodiscard]] std::vector<std::string> tenants() const;

 private:
  const std::string& name_in(Names& names, std::uint32_t number) const;

  // A name that is missing is made up once: the tunnel has closed since.
  mutable Names tenants_;
  mutable Names tunnels_;
  mutable Names rules_;
  mutable bool made_up_ = false;
};

class FlowListing {
 public:
  /// Asks the gateway that was chosen.
  static base::Result<FlowListing, Failure> ask(const SocketChoice& choice);
  /// `regions` are the reply's descriptors.
  static base::Result<FlowListing, std::string> open(std::span<const base::Fd> regions,
                                                     NameBook names);

  /// Where a flow was when it was selected.
  struct Selected {
    std::uint64_t id;
    flows::FlowIndex index;
  };

  /// The flows that `filter` lets through now, in the order of their ids.
  [[nodiscard]] std::vector<Selected> select(const gateway::FlowFilter& filter,
                                             std::int64_t now_ns) const;

  /// Calls `show(flow, names)` for those of `selected` that are still there and still let through;
  /// stops when it returns false.
  template <class Show>
  void for_each(const std::vector<Selected>& selected, const gateway::FlowFilter& filter,
                std::int64_t now_ns, Show show) const {
    for (const Selected& one : selected) {
      const auto flow = at(one);
      if (!flow) {
        continue;
      }
      flows::HostName host;
      const gateway::FlowNames names = names_of(*flow, host);
      if (filter.matches(*flow, names, now_ns) && !show(*flow, names)) {
        return;
      }
    }
  }

  /// Calls `show(index, flow)` for each flow that is let through, in no order.
  template <class Show>
  void visit(const gateway::FlowFilter& filter, std::int64_t now_ns, Show show) const {
    for (const Region& region : regions_) {
      region.snapshot.for_each_indexed([&](flows::FlowIndex index, const flows::Flow& flow) {
        flows::HostName host;
        if (filter.lets_everything_through() ||
            filter.matches(flow, names_of(flow, host), now_ns)) {
          show(index, flow);
        }
      });
    }
  }

  [[nodiscard]] const NameBook& names() const { return names_; }
  [[nodiscard]] bool lacks_names() const { return names_.has_made_names_up(); }
  void set_names(NameBook names) { names_ = std::move(names); }

  /// The flow as it is now, if it is still there.
  [[nodiscard]] std::optional<flows::Flow> at(const Selected& selected) const;
  [[nodiscard]] std::optional<flows::Flow> find(std::uint64_t id) const;
  /// `host` is where its name is put; it must live as long as the result is used.
  [[nodiscard]] gateway::FlowNames names_of(const flows::Flow& flow, flows::HostName& host) const {
    gateway::FlowNames names = names_.of(flow);
    const flows::FlowSnapshot* snapshot = snapshot_of(flow.id);
    host = (snapshot == nullptr ? std::nullopt : snapshot->name(flow)).value_or(flows::HostName());
    names.host = host.text();
    return names;
  }

 private:
  struct Region {
    base::MappedFile mapping;
    flows::FlowSnapshot snapshot;
  };

  FlowListing(std::vector<Region> regions, NameBook names)
      : regions_(std::move(regions)), names_(std::move(names)) {}

  // Of the region that a flow with this id is in; nullptr: the gateway has no such region.
  [[nodiscard]] const flows::FlowSnapshot* snapshot_of(std::uint64_t id) const {
    const std::size_t region = flows::shard_of_flow(id);
    return region < regions_.size() ? &regions_[region].snapshot : nullptr;
  }

  std::vector<Region> regions_;
  NameBook names_;
};

}  // namespace flowctl
