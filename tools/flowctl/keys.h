// Keys: what was typed, from the bytes that a terminal in raw mode sends (ECMA-48, xterm).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace flowctl {

struct Key {
  enum class Kind : std::uint8_t {
    kCharacter,
    kUp,
    kDown,
    kPageUp,
    kPageDown,
    kHome,
    kEnd,
    kEnter,
    kTab,
    kBackspace,
    kEscape,
    kInterrupt,  // Ctrl-C
    kOther,
  };
  Kind kind = Kind::kOther;
  char character = 0;  // kCharacter: printable ASCII

  friend bool operator==(const Key&, const Key&) = default;
};

/// The keys in `bytes`, which one read(2) has returned. An escape that nothing follows is the key
/// of that name.
std::vector<Key> keys_in(std::string_view bytes);

}  // namespace flowctl
