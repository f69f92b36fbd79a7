// `flowctl top`: who carries how much, now.
#pragma once

#include "base/result.h"
#include "tools/flowctl/failure.h"
#include "tools/flowctl/options.h"
#include "tools/flowctl/output.h"

namespace flowctl {

/// On a terminal a view of the whole screen, until it is left; else, or with --once, --count or
/// --json, a table (an object) for each interval. It looks into the gateway's flow table; the
/// gateway itself is asked for names only, and whether it is there.
base::Result<void, Failure> top(const Options& options, Output& output, bool colours);

}  // namespace flowctl
