// Log control: the level while the gateway runs, and the lines that were too many.
//
// A line of one kind (one format, wherever it is written) is written up to 20 times a second, after
// a first hundred; what is beyond is left out, and then said in one line: how many, and of which
// kind. So nobody whose packets, flows or tunnels come to a line can flood the log with it. Lines
// of level trace are not counted.
#pragma once

#include <optional>
#include <string_view>

#include "base/time.h"
#include "gateway/log.h"

namespace gateway {

// Any thread.
std::string_view log_level_name(LogLevel level);  // "debug"
std::optional<LogLevel> log_level_named(std::string_view name);

[[nodiscard]] LogLevel log_level();
/// Until the next configure_log().
void set_log_level(LogLevel level);

/// Says what was left out up to now, if anything was, and it has not been said a moment ago. For a
/// tick: it costs a load while nothing is.
void tell_of_left_out_lines(base::Instant now);

}  // namespace gateway
