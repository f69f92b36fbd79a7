// Flow output: flows as rows of text and as JSON, row by row, however many there are.
#pragma once

#include <cstdint>

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

void print_flow_json(Output& output, const flows::Flow& flow, const gateway::FlowNames& names,
                     std::int64_t now_ns);
void print_flow_text(Output& output, const flows::Flow& flow, const gateway::FlowNames& names,
                     std::int64_t now_ns, bool colours);

}  // namespace flowctl
