#include "tools/flowctl/flow_output.h"

#include <string>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "flows/protocol.h"
#include "tools/flowctl/human.h"
#include "tools/flowctl/table.h"

namespace flowctl {
namespace {

using flows::Flow;
using gateway::FlowNames;
using gateway::milliseconds_between;

const std::vector<Column> kColumns = {
    {"ID", true},    {"TENANT"},   {"TUNNEL"},     {"PROTOCOL"}, {"SOURCE"},
    {"DESTINATION"}, {"ACTION"},   {"RULE"},       {"STATE"},    {"AGE", true},
    {"IDLE", true},  {"UP", true}, {"DOWN", true}, {"NAME"},
};

void append_flow_json(std::string& out, const Flow& flow, const FlowNames& names,
                      std::int64_t now_ns) {
  gateway::JsonWriter json(out);
  json.open_object();
  gateway::write_flow(json, flow, names, now_ns);
  json.close_object();
}

std::vector<FlowListing::Selected> select(const FlowView& view) {
  auto selected = view.listing.select(view.filter, view.now_ns);
  sort_flows(selected, view.order, view.listing, view.now_ns);
  return selected;
}

std::string endpoint_text(const base::Endpoint& endpoint) {
  std::string text;
  gateway::append_endpoint(text, endpoint);
  return text;
}

Style style_of(flows::FlowState state) {
  switch (state) {
    case flows::FlowState::kDialing:
    case flows::FlowState::kSynReceived:
      return Style::kPending;
    case flows::FlowState::kEstablished:
      return Style::kGood;
    case flows::FlowState::kClosing:
    case flows::FlowState::kTimeWait:
      return Style::kFaint;
  }
  return Style::kBad;
}

Row row_of(const Flow& flow, const FlowNames& names, std::int64_t now_ns) {
  return {{std::to_string(flow.id)},
          {base::printable(names.tenant)},
          {base::printable(names.tunnel)},
          {flows::protocol_name(flow.key.protocol)},
          {endpoint_text(flow.key.source)},
          {endpoint_text(flow.key.destination)},
          {std::string(flows::name(flow.action))},
          {base::printable(names.rule)},
          {std::string(flows::name(flow.state)), style_of(flow.state)},
          {human_duration(milliseconds_between(flow.created_ns, now_ns))},
          {human_duration(milliseconds_between(flow.last_seen_ns, now_ns))},
          {human_bytes(flow.up.bytes)},
          {human_bytes(flow.down.bytes)},
          {names.host.empty() ? "-" : base::printable(names.host)}};
}

std::string action_text(const Flow& flow) {
  const std::string action(flows::name(flow.action));
  return flows::is_upgraded_then_downgraded(flow) ? action + ", then downgrade" : action;
}

std::string count_text(const flows::WireCount& count) {
  return std::to_string(count.packets) + " packets, " + human_bytes(count.bytes);
}

}  // namespace

void print_flows_json(Output& output, const FlowView& view) {
  const auto selected = select(view);
  std::string& text = output.text();
  std::string_view before = "[\n";
  view.listing.for_each(selected, view.filter, view.now_ns,
                        [&](const Flow& flow, const FlowNames& names) {
                          text += std::exchange(before, ",\n");
                          append_flow_json(text, flow, names, view.now_ns);
                          output.row_done();
                          return output.is_open();
                        });
  text += before == "[\n" ? "[]\n" : "\n]\n";
}

// A tenant that the gateway does not have, which was probably meant to be another.
std::string why_none_can(const FlowView& view) {
  for (const std::string& tenant : view.filter.tenants()) {
    if (!view.listing.names().knows_tenant(tenant)) {
      std::string known;
      for (const std::string& name : view.listing.names().tenants()) {
        known += (known.empty() ? "" : ", ") + base::printable(name);
      }
      return ": there is no tenant '" + base::printable(tenant) + "' (there is: " + known + ")";
    }
  }
  return "";
}

void print_flows_text(Output& output, const FlowView& view, bool colours) {
  const auto selected = select(view);
  if (selected.empty()) {
    output.text() += view.filter.lets_everything_through()
                         ? "There are no flows.\n"
                         : "No flow matches the filter" + why_none_can(view) + ".\n";
    return;
  }
  Table table(kColumns, colours);
  view.listing.for_each(selected, view.filter, view.now_ns,
                        [&](const Flow& flow, const FlowNames& names) {
                          table.measure(row_of(flow, names, view.now_ns));
                          return true;
                        });
  table.print_header(output.text());
  view.listing.for_each(selected, view.filter, view.now_ns,
                        [&](const Flow& flow, const FlowNames& names) {
                          table.print(output.text(), row_of(flow, names, view.now_ns));
                          output.row_done();
                          return output.is_open();
                        });
}

void print_flow_json(Output& output, const Flow& flow, const FlowNames& names, std::int64_t now_ns,
                     const std::string& bandwidths) {
  gateway::JsonWriter json(output.text());
  json.open_object();
  gateway::write_flow(json, flow, names, now_ns);
  json.raw("bandwidths", bandwidths).close_object();
  output.text() += '\n';
}

void print_flow_text(Output& output, const Flow& flow, const FlowNames& names, std::int64_t now_ns,
                     const FlowFacts& more, bool colours) {
  FlowFacts facts = {
      {"id", std::to_string(flow.id)},
      {"tenant", base::printable(names.tenant)},
      {"tunnel", base::printable(names.tunnel)},
      {"protocol", flows::protocol_name(flow.key.protocol)},
      {"source", endpoint_text(flow.key.source)},
      {"destination", endpoint_text(flow.key.destination)},
      {"name", names.host.empty() ? "unknown" : base::printable(names.host)},
      {"upstream", gateway::has_upstream(flow) ? endpoint_text(flow.upstream) : "none"},
      {"action", action_text(flow)},
      {"rule", base::printable(names.rule)},
      {"mark", flow.mark == 0 ? "none" : gateway::mark_text(flow.mark)},
      {"dscp", flow.dscp == flows::kOwnDscp ? "its own" : flows::dscp_text(flow.dscp)},
      {"state", std::string(flows::name(flow.state))},
      {"age", human_duration(milliseconds_between(flow.created_ns, now_ns))},
      {"idle", human_duration(milliseconds_between(flow.last_seen_ns, now_ns))},
      {"up", count_text(flow.up)},
      {"down", count_text(flow.down)}};
  facts.insert(facts.end(), more.begin(), more.end());
  output.text() += facts_text(facts, colours);
}

}  // namespace flowctl
