// Flow order: in which order `flowctl flows` lists, by any column.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gateway/inspect/flow_measure.h"
#include "tools/flowctl/flow_listing.h"

namespace flowctl {

/// By a quantity, the highest first; or by a column of text or the id, the lowest first.
struct FlowOrder {
  enum class Column : std::uint8_t {
    kId,
    kTenant,
    kTunnel,
    kProtocol,
    kSource,
    kDestination,
    kName,
    kAction,
    kRule,
    kState,
  };
  std::variant<Column, gateway::FlowMeasure> by = Column::kId;

  static std::optional<FlowOrder> named(std::string_view name);
};

/// "id", "tenant", ..., "age", ...
std::vector<std::string_view> flow_order_names();

/// Sorts flows that are in the order of their ids; what is equal stays so.
void sort_flows(std::vector<FlowListing::Selected>& selected, const FlowOrder& order,
                const FlowListing& listing, std::int64_t now_ns);

}  // namespace flowctl
