#include "base/utf8.h"

#include <cstdint>

namespace base {
namespace {

constexpr std::uint8_t byte_at(std::string_view text, std::size_t offset) {
  return static_cast<std::uint8_t>(text[offset]);
}

// How long a sequence with this first byte is; 0 when none begins so.
constexpr std::size_t sequence_bytes(std::uint8_t first) {
  if (first < 0x80) {
    return 1;
  }
  if (first < 0xc2) {
    return 0;  // a continuation, or an overlong form of ASCII
  }
  if (first < 0xe0) {
    return 2;
  }
  if (first < 0xf0) {
    return 3;
  }
  return first < 0xf5 ? 4 : 0;
}

constexpr bool is_overlong_surrogate_or_beyond(char32_t code, std::size_t bytes) {
  return (bytes == 3 && code < 0x800) || (bytes == 4 && code < 0x10000) ||
         (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff;
}

constexpr bool may_be_shown(char32_t code) {
  const bool is_control = code < 0x20 || (code >= 0x7f && code <= 0x9f);
  const bool breaks_line = code == 0x2028 || code == 0x2029;
  const bool reorders = code == 0x61c || code == 0x200e || code == 0x200f ||
                        (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  return !is_control && !breaks_line && !reorders;
}

}  // namespace

Utf8Character utf8_at(std::string_view text, std::size_t offset) {
  const std::uint8_t first = byte_at(text, offset);
  const std::size_t bytes = sequence_bytes(first);
  if (bytes == 1) {
    return {first, 1};
  }
  if (bytes == 0 || text.size() - offset < bytes) {
    return {};
  }
  char32_t code = first & (0xffU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    const std::uint8_t next = byte_at(text, offset + i);
    if ((next & 0xc0U) != 0x80) {
      return {};
    }
    code = (code << 6U) | (next & 0x3fU);
  }
  return is_overlong_surrogate_or_beyond(code, bytes) ? Utf8Character{}
                                                      : Utf8Character{code, bytes};
}

std::optional<std::size_t> first_not_utf8(std::string_view text) {
  for (std::size_t offset = 0; offset < text.size();) {
    const Utf8Character character = utf8_at(text, offset);
    if (character.bytes == 0) {
      return offset;
    }
    offset += character.bytes;
  }
  return std::nullopt;
}

bool is_printable(std::string_view text) {
  for (std::size_t offset = 0; offset < text.size();) {
    const Utf8Character character = utf8_at(text, offset);
    if (character.bytes == 0 || !may_be_shown(character.code)) {
      return false;
    }
    offset += character.bytes;
  }
  return true;
}

std::string printable(std::string_view text, std::size_t most_bytes) {
  std::string shown;
  for (std::size_t offset = 0; offset < text.size();) {
    const Utf8Character character = utf8_at(text, offset);
    const bool keep = character.bytes > 0 && may_be_shown(character.code);
    const std::size_t taken = character.bytes > 0 ? character.bytes : 1;
    if (shown.size() + (keep ? taken : 1) > most_bytes) {
      return shown + "...";
    }
    shown += keep ? text.substr(offset, taken) : "?";
    offset += taken;
  }
  return shown;
}

}  // namespace base
