// Help: what `flowctl --help` and `flowctl COMMAND --help` print, made of the command table.
#pragma once

#include <string>

#include "tools/flowctl/command_table.h"

namespace flowctl {

std::string help(Command command);
/// What `flowctl` alone is told.
std::string short_usage();

/// "flowctl flows"; of kNone, the program alone.
std::string full_name(Command command);

}  // namespace flowctl
