// `flowctl stats --watch`: the gateway's counters, and what they gain.
#pragma once

#include "base/result.h"
#include "tools/flowctl/failure.h"
#include "tools/flowctl/options.h"
#include "tools/flowctl/output.h"

namespace flowctl {

/// For each interval, until it is interrupted, `--count` intervals are over, or the gateway ends,
/// which is said on standard error.
base::Result<void, Failure> watch_stats(const Options& options, Output& output, bool colours);

}  // namespace flowctl
