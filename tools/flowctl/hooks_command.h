// `flowctl flow ID --hooks`: which hooks of an app have run for the flow.
#pragma once

#include "base/result.h"
#include "tools/flowctl/failure.h"
#include "tools/flowctl/options.h"
#include "tools/flowctl/output.h"

namespace flowctl {

/// Throws nlohmann::json::exception where the reply is none.
base::Result<void, Failure> hooks_of_flow(const Options& options, Output& output, bool colours);

}  // namespace flowctl
