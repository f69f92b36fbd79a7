// Patterns: what `*` stands for in the rules.
#pragma once

#include <string_view>

namespace gateway {

/// Whether `text` is of the form of `pattern`, in which each `*` stands for any number of any
/// characters.
[[nodiscard]] bool matches_pattern(std::string_view pattern, std::string_view text);

/// Whether `host`, lower case, is what `pattern` asks for: itself, below the domain behind `*.`, or
/// anything for `*`.
[[nodiscard]] bool matches_host(std::string_view pattern, std::string_view host);

}  // namespace gateway
