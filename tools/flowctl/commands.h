// Commands: what each of flowctl's commands asks and prints.
#pragma once

#include "base/result.h"
#include "tools/flowctl/failure.h"
#include "tools/flowctl/options.h"
#include "tools/flowctl/output.h"

namespace flowctl {

/// Does what `options` ask for. What it prints collects in `output`; the caller flushes.
base::Result<void, Failure> run(const Options& options, Output& output, bool colours);

}  // namespace flowctl
