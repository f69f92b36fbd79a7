// `flowctl capture`: the packets of flows as a file that Wireshark opens.
#pragma once

#include "base/result.h"
#include "tools/flowctl/failure.h"
#include "tools/flowctl/options.h"

namespace flowctl {

/// Until it is interrupted, `--count` packets or `--seconds` have passed, the reader of the file
/// has gone, or the gateway ends. Then says on standard error how many packets it has, and how many
/// were dropped.
base::Result<void, Failure> capture(const Options& options);

}  // namespace flowctl
