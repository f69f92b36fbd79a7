// `flowctl explain`: what would become of a packet, asked of the running gateway.
#pragma once

#include "base/result.h"
#include "tools/flowctl/failure.h"
#include "tools/flowctl/options.h"
#include "tools/flowctl/output.h"

namespace flowctl {

base::Result<void, Failure> explain(const Options& options, Output& output, bool colours);

}  // namespace flowctl
