#include "tools/flowctl/top_table.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <string_view>

#include "base/utf8.h"
#include "flows/protocol.h"
#include "gateway/inspect/json_writer.h"
#include "tools/flowctl/human.h"

namespace flowctl {
namespace {

using flows::Flow;

// What a row that is no single flow is called, and the flow of one that is. A flow that has ended
// since the look is an empty one.
struct Described {
  Flow flow;
  gateway::FlowNames names;
  flows::HostName host;
};

void describe(const RateRow& row, Grouping grouping, const FlowListing& listing, Described& into) {
  into.flow = {};
  if (grouping == Grouping::kFlow) {
    if (const auto flow = listing.at({row.key, row.index})) {
      into.flow = *flow;
    }
  } else {
    const auto number = static_cast<std::uint32_t>(row.key);
    into.flow.key.tenant = grouping == Grouping::kTenant ? number : 0;
    into.flow.tunnel = grouping == Grouping::kTunnel ? number : flows::kNone32;
    into.flow.rule =
        grouping == Grouping::kRule ? static_cast<std::uint16_t>(row.key) : flows::kDefaultRule;
  }
  into.names = listing.names_of(into.flow, into.host);
}

std::string_view name_in(const Described& row, Grouping grouping) {
  switch (grouping) {
    case Grouping::kTenant:
      return row.names.tenant;
    case Grouping::kTunnel:
      return row.names.tunnel;
    case Grouping::kRule:
      return row.names.rule;
    case Grouping::kFlow:
      break;
  }
  return "";
}

std::string endpoint_text(const base::Endpoint& endpoint) {
  std::string text;
  gateway::append_endpoint(text, endpoint);
  return text;
}

// By name, where a name server gave one.
std::string destination_text(const Described& row) {
  if (row.names.host.empty()) {
    return endpoint_text(row.flow.key.destination);
  }
  return base::printable(row.names.host) + ":" +
         std::to_string(base::number(row.flow.key.destination.port));
}

void append_identity(Row& cells, const RateRow& row, const Described& described,
                     Grouping grouping) {
  if (grouping != Grouping::kFlow) {
    cells.push_back({base::printable(name_in(described, grouping))});
    cells.push_back({std::to_string(row.flows)});
    return;
  }
  cells.push_back({std::to_string(row.key)});
  cells.push_back({base::printable(described.names.tenant)});
  cells.push_back({base::printable(described.names.tunnel)});
  cells.push_back({flows::protocol_name(described.flow.key.protocol)});
  cells.push_back({endpoint_text(described.flow.key.source)});
  cells.push_back({destination_text(described)});
  cells.push_back({base::printable(described.names.rule)});
}

std::vector<Column> columns_of(Grouping grouping) {
  switch (grouping) {
    case Grouping::kTenant:
      return {{"TENANT"}, {"FLOWS", true}};
    case Grouping::kTunnel:
      return {{"TUNNEL"}, {"FLOWS", true}};
    case Grouping::kRule:
      return {{"RULE"}, {"FLOWS", true}};
    case Grouping::kFlow:
      break;
  }
  return {{"ID", true}, {"TENANT"},      {"TUNNEL"}, {"PROTOCOL"},
          {"SOURCE"},   {"DESTINATION"}, {"RULE"}};
}

void write_rate(gateway::JsonWriter& json, std::string_view key, const Rate& rate) {
  json.open_object(key).number("bits_per_second",
                               static_cast<std::uint64_t>(std::llround(rate.bits)));
  json.number("packets_per_second", static_cast<std::uint64_t>(std::llround(rate.packets)));
  json.close_object();
}

}  // namespace

std::string human_rate(double per_second) {
  static constexpr std::string_view kUnits = "kMGTP";
  if (per_second < 999.5) {
    return std::to_string(std::llround(per_second));
  }
  std::size_t unit = 0;
  double value = per_second / 1000;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  const long long tenths = std::llround(value * 10);
  const std::string text = tenths < 100
                               ? std::to_string(tenths / 10) + "." + std::to_string(tenths % 10)
                               : std::to_string(std::llround(value));
  return text + kUnits[unit];
}

std::string sparkline(std::span<const double> values, std::size_t width, bool utf8) {
  static constexpr std::array<std::string_view, 9> kBlocks = {" ", "▁", "▂", "▃", "▄",
                                                              "▅", "▆", "▇", "█"};
  static constexpr std::array<std::string_view, 9> kAscii = {" ", ".", ".", ":", "-",
                                                             "=", "+", "*", "#"};
  const auto& marks = utf8 ? kBlocks : kAscii;
  values = values.last(std::min(values.size(), width));
  const double highest = values.empty() ? 0 : *std::ranges::max_element(values);
  std::string text(width - values.size(), ' ');
  for (const double value : values) {
    // What is not nothing is not shown as nothing.
    const auto level = value <= 0 ? 0 : 1 + static_cast<std::size_t>(value / highest * 7);
    text += marks[std::min<std::size_t>(level, 8)];
  }
  return text;
}

TopTable top_table(std::span<const RateRow> rows, Grouping grouping, const RateMeter& meter,
                   const FlowListing& listing, std::size_t history_width, bool utf8) {
  TopTable table{.columns = columns_of(grouping), .rows = {}};
  for (const std::string_view title :
       {"UP bit/s", "DOWN bit/s", "UP pkt/s", "DOWN pkt/s", "BYTES"}) {
    table.columns.push_back({title, true});
  }
  if (history_width > 0) {
    table.columns.push_back({"HISTORY"});
  }
  Described described;
  for (const RateRow& row : rows) {
    describe(row, grouping, listing, described);
    Row cells;
    append_identity(cells, row, described, grouping);
    for (const double rate : {row.up.bits, row.down.bits, row.up.packets, row.down.packets}) {
      cells.push_back({human_rate(rate)});
    }
    cells.push_back({human_bytes(row.bytes)});
    if (history_width > 0) {
      cells.push_back({sparkline(meter.history(row.key), history_width, utf8)});
    }
    table.rows.push_back(std::move(cells));
  }
  return table;
}

void append_top_json(std::string& out, std::span<const RateRow> rows, Grouping grouping,
                     const RateMeter& meter, const FlowListing& listing) {
  gateway::JsonWriter json(out);
  const RateTotals& totals = meter.totals();
  json.open_object();
  json.number("interval_ms", static_cast<std::uint64_t>(meter.interval_ns() / 1'000'000));
  json.text("by", name(grouping)).number("flows", totals.flows);
  write_rate(json, "up", totals.up);
  write_rate(json, "down", totals.down);
  json.open_array("rows");
  Described described;
  std::string destination;
  for (const RateRow& row : rows) {
    describe(row, grouping, listing, described);
    json.open_object();
    if (grouping == Grouping::kFlow) {
      const Flow& flow = described.flow;
      json.number("id", row.key).text("tenant", described.names.tenant);
      json.text("tunnel", described.names.tunnel);
      json.text("protocol", flows::protocol_name(flow.key.protocol));
      json.text("source", endpoint_text(flow.key.source));
      json.text("destination", endpoint_text(flow.key.destination));
      described.names.host.empty() ? json.null("name") : json.text("name", described.names.host);
      json.text("rule", described.names.rule);
    } else {
      json.text(name(grouping), name_in(described, grouping)).number("flows", row.flows);
    }
    write_rate(json, "up", row.up);
    write_rate(json, "down", row.down);
    json.number("bytes", row.bytes).close_object();
  }
  json.close_array().close_object();
  out += '\n';
}

}  // namespace flowctl
