// Spelling: text as a message may show it, and what was probably meant by a wrong word.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gateway {

/// In quotes, shortened when long, with nothing that a terminal would obey: "10.0.0.0/33".
std::string in_quotes(std::string_view text);

/// The one of `known` that was probably meant by `word`; empty when none is close.
std::string_view closest(std::string_view word, const std::vector<std::string_view>& known);

/// `, did you mean "udp"?` when there is a closest(); else nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& known);

/// "upgrade, forward or drop".
std::string one_of(const std::vector<std::string_view>& words);

}  // namespace gateway
