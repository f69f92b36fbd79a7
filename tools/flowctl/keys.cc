#include "tools/flowctl/keys.h"

#include <algorithm>
#include <array>
#include <utility>

namespace flowctl {
namespace {

using Kind = Key::Kind;

constexpr std::array<std::pair<std::string_view, Kind>, 12> kSequences = {{
    {"[A", Kind::kUp},
    {"[B", Kind::kDown},
    {"OA", Kind::kUp},
    {"OB", Kind::kDown},
    {"[5~", Kind::kPageUp},
    {"[6~", Kind::kPageDown},
    {"[H", Kind::kHome},
    {"[F", Kind::kEnd},
    {"OH", Kind::kHome},
    {"OF", Kind::kEnd},
    {"[1~", Kind::kHome},
    {"[4~", Kind::kEnd},
}};

// Of an escape sequence behind its escape: "[", parameters, one letter or "~"; or "O" and a letter.
std::size_t sequence_length(std::string_view text) {
  if (text.starts_with('O')) {
    return std::min<std::size_t>(text.size(), 2);
  }
  std::size_t length = 1;
  while (length < text.size() && text[length] >= 0x20 && text[length] < 0x40) {
    ++length;
  }
  return std::min(text.size(), length + 1);
}

Key key_of(char c) {
  switch (c) {
    case '\r':
    case '\n':
      return {.kind = Kind::kEnter};
    case '\t':
      return {.kind = Kind::kTab};
    case 0x7f:
    case '\b':
      return {.kind = Kind::kBackspace};
    case 0x03:
      return {.kind = Kind::kInterrupt};
    default:
      return c >= 0x20 && c < 0x7f ? Key{.kind = Kind::kCharacter, .character = c} : Key{};
  }
}

}  // namespace

std::vector<Key> keys_in(std::string_view bytes) {
  std::vector<Key> keys;
  while (!bytes.empty()) {
    const char first = bytes.front();
    bytes.remove_prefix(1);
    if (first != '\x1b') {
      keys.push_back(key_of(first));
    } else if (bytes.empty() || (bytes.front() != '[' && bytes.front() != 'O')) {
      keys.push_back({.kind = Kind::kEscape});
    } else {
      const std::string_view sequence = bytes.substr(0, sequence_length(bytes));
      const auto* known =
          std::ranges::find(kSequences, sequence, [](const auto& pair) { return pair.first; });
      keys.push_back({.kind = known == kSequences.end() ? Kind::kOther : known->second});
      bytes.remove_prefix(sequence.size());
    }
  }
  return keys;
}

}  // namespace flowctl
