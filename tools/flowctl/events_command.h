// `flowctl events`: what happens, as it happens.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "tools/flowctl/failure.h"
#include "tools/flowctl/options.h"
#include "tools/flowctl/output.h"

namespace flowctl {

/// Until it is interrupted, `--count` events have come, or the gateway ends, which is said on
/// standard error. Writes as events come.
base::Result<void, Failure> follow_events(const Options& options, Output& output);

/// A line of the gateway's as text: "2025-11-21T01:44:23.000417Z flow_start flow=17 tenant=acme
/// ...". What is no object of ours comes back as it is, made printable.
std::string event_text(std::string_view line);

}  // namespace flowctl
