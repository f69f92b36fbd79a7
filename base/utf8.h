// UTF-8 (RFC 3629) as far as text from strangers needs it: is it valid, may it be shown.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace base {

/// One character of `text`, read at an offset inside it.
struct Utf8Character {
  char32_t code = 0;
  std::size_t bytes = 0;  // 0: the bytes there are not UTF-8
};
Utf8Character utf8_at(std::string_view text, std::size_t offset);

/// Where `text` stops being UTF-8; empty when it never does.
std::optional<std::size_t> first_not_utf8(std::string_view text);

/// Whether `text` is UTF-8 without a character that moves the cursor, breaks the line or reorders
/// what stands beside it: C0, DEL, C1, line separators, bidirectional controls (UAX 9).
bool is_printable(std::string_view text);

/// `text` made so, for messages and terminals: each offending byte or character becomes a '?', and
/// what is longer than `most_bytes` ends in "...".
std::string printable(std::string_view text, std::size_t most_bytes = std::string_view::npos);

}  // namespace base
