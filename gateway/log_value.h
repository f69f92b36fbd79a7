// LogValue: free text as a value of a log line: log_warn("tunnel not accepted error={}",
// LogValue{why}) writes error="no such tenant \"acme\"".
//
// As logfmt has it: in quotes where it has a space, a quote or an equals sign, or is empty, with a
// backslash before each quote and backslash in it. So a line can be taken apart whatever a message,
// a path or a peer's name holds. What a terminal would obey is left out later, by log_line().
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/core.h>

namespace gateway {

struct LogValue {
  std::string_view text;  // borrowed; a temporary lives until the line is written
};

std::string log_value(std::string_view text);

}  // namespace gateway

template <>
struct fmt::formatter<gateway::LogValue> {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
  auto format(gateway::LogValue value, fmt::format_context& context) const {
    return std::ranges::copy(gateway::log_value(value.text), context.out()).out;
  }
};
