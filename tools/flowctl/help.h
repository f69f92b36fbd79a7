// Help: what `flowctl --help` and `flowctl COMMAND --help` print.
#pragma once

#include <string>
#include <string_view>

#include "tools/flowctl/options.h"

namespace flowctl {

std::string_view help(Command command);
/// What `flowctl` alone is told.
std::string short_usage();

}  // namespace flowctl
