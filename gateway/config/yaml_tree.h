// YamlNode: a YAML document as plain values, with the place of each.
//
// Theory of operation
//
// yaml-cpp is asked for events only, and the tree is ours, because its own tree hides what a
// configuration must complain about: the second of two equal keys, merge keys, tags. Aliases are
// copied out. What is built has a limit (depth, memory), so that a document of a few hundred bytes
// can neither expand into gigabytes nor recurse for ever. yaml-cpp's exceptions end here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gateway {

struct YamlPlace {
  int line = 1;
  int column = 1;
};

struct YamlEntry;

struct YamlNode {  // NOLINT(misc-no-recursion): a copy, no deeper than parse_yaml() lets it be
  enum class Kind : std::uint8_t { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  bool quoted = false;  // kScalar: written in quotes, or as a block
  YamlPlace place;
  std::string text;                // kScalar
  std::vector<YamlNode> items;     // kList
  std::vector<YamlEntry> entries;  // kMap, in the order of the file, equal keys included

  [[nodiscard]] bool is(Kind which) const { return kind == which; }
  /// The first entry of a map with this key; null when there is none, or when it is not a map.
  [[nodiscard]] const YamlEntry* find(std::string_view key) const;
};

struct YamlEntry {  // NOLINT(misc-no-recursion): likewise
  YamlNode key;
  YamlNode value;
};

struct YamlError {
  YamlPlace place;
  std::string key;  // where in the tree: "rules[2].match"; empty: at its root
  std::string what;
};

/// The one document in `text`; a null node when there is none.
base::Result<YamlNode, YamlError> parse_yaml(std::string_view text);

}  // namespace gateway
