#include "tools/flowctl/flow_order.h"

#include <algorithm>
#include <array>
#include <compare>
#include <tuple>
#include <utility>

namespace flowctl {
namespace {

using Column = FlowOrder::Column;

constexpr std::array<std::string_view, 10> kColumns = {
    "id",          "tenant", "tunnel", "protocol", "source",
    "destination", "name",   "action", "rule",     "state"};

// What a flow is sorted by: the number, then the address, then the text; only one of them differs.
struct SortKey {
  std::uint64_t number = 0;
  base::Endpoint end;
  std::string text;
};

bool is_before(const SortKey& a, const SortKey& b) {
  return std::tie(a.number, a.end.address, a.end.port, a.text) <
         std::tie(b.number, b.end.address, b.end.port, b.text);
}

SortKey key_of(const flows::Flow& flow, const gateway::FlowNames& names, Column column) {
  switch (column) {
    case Column::kId:
      return {.number = flow.id, .end = {}, .text = {}};
    case Column::kTenant:
      return {.end = {}, .text = std::string(names.tenant)};
    case Column::kTunnel:
      return {.end = {}, .text = std::string(names.tunnel)};
    case Column::kProtocol:
      return {.number = static_cast<std::uint64_t>(flow.key.protocol), .end = {}, .text = {}};
    case Column::kSource:
      return {.end = flow.key.source, .text = {}};
    case Column::kDestination:
      return {.end = flow.key.destination, .text = {}};
    case Column::kName:
      return {.end = {}, .text = std::string(names.host)};
    case Column::kAction:
      return {.number = static_cast<std::uint64_t>(flow.action), .end = {}, .text = {}};
    case Column::kRule:
      return {.end = {}, .text = std::string(names.rule)};
    case Column::kState:
      return {.number = static_cast<std::uint64_t>(flow.state), .end = {}, .text = {}};
  }
  return {};
}

SortKey key_of(const flows::Flow& flow, const gateway::FlowNames& names, const FlowOrder& order,
               std::int64_t now_ns) {
  if (const auto* measure = std::get_if<gateway::FlowMeasure>(&order.by)) {
    return {.number = ~gateway::value_of(flow, *measure, now_ns), .end = {}, .text = {}};
  }
  return key_of(flow, names, std::get<Column>(order.by));
}

}  // namespace

std::optional<FlowOrder> FlowOrder::named(std::string_view name) {
  const auto* column = std::ranges::find(kColumns, name);
  if (column != kColumns.end()) {
    return FlowOrder{static_cast<Column>(column - kColumns.begin())};
  }
  const auto measure = gateway::measure_named(name);
  return measure ? std::optional(FlowOrder{*measure}) : std::nullopt;
}

std::vector<std::string_view> flow_order_names() {
  std::vector<std::string_view> names(kColumns.begin(), kColumns.end());
  names.insert(names.end(), gateway::measure_names().begin(), gateway::measure_names().end());
  return names;
}

void sort_flows(std::vector<FlowListing::Selected>& selected, const FlowOrder& order,
                const FlowListing& listing, std::int64_t now_ns) {
  if (order.by == decltype(order.by)(Column::kId)) {
    return;
  }
  // Once each: they go on counting while we sort.
  std::vector<std::pair<SortKey, FlowListing::Selected>> keyed;
  keyed.reserve(selected.size());
  for (const FlowListing::Selected& one : selected) {
    const auto flow = listing.at(one).value_or(flows::Flow{});
    flows::HostName host;
    keyed.emplace_back(key_of(flow, listing.names_of(flow, host), order, now_ns), one);
  }
  std::ranges::sort(keyed, [](const auto& a, const auto& b) {
    const bool is_equal = !is_before(a.first, b.first) && !is_before(b.first, a.first);
    return is_equal ? a.second.id < b.second.id : is_before(a.first, b.first);
  });
  std::ranges::transform(keyed, selected.begin(), [](const auto& pair) { return pair.second; });
}

}  // namespace flowctl
