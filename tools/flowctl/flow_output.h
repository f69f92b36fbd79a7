// Flow output: flows as rows of text and as JSON, row by row, however many there are.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gateway/inspect/flow_filter.h"
#include "tools/flowctl/flow_listing.h"
#include "tools/flowctl/flow_order.h"
#include "tools/flowctl/output.h"

namespace flowctl {

struct FlowView {
  const FlowListing& listing;
  const gateway::FlowFilter& filter;
  std::int64_t now_ns;  // CLOCK_MONOTONIC
  FlowOrder order{};
};

/// An array with one object a line.
void print_flows_json(Output& output, const FlowView& view);
/// A table, or words when there are none.
void print_flows_text(Output& output, const FlowView& view, bool colours);

/// `bandwidths` is JSON: the bounds that it shares.
void print_flow_json(Output& output, const flows::Flow& flow, const gateway::FlowNames& names,
                     std::int64_t now_ns, const std::string& bandwidths);
/// What is known of one flow, each fact with its name.
using FlowFacts = std::vector<std::pair<std::string, std::string>>;
void print_flow_text(Output& output, const flows::Flow& flow, const gateway::FlowNames& names,
                     std::int64_t now_ns, const FlowFacts& more, bool colours);

}  // namespace flowctl
