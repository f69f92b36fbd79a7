// Strict JSON: one JSON value from a stranger, read with nothing left to interpretation.
//
// JSON (RFC 8259) leaves open what a key that stands twice means, how deep values may nest and what
// follows bytes that are not UTF-8; two readers that decide differently can be played against each
// other. Here each of them is refused, with a message that says where.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"

namespace gateway {

struct JsonFault {
  enum class Kind {
    kNotJson,  // no JSON, half of it, or bytes that are not UTF-8
    kRefused,  // JSON, but with a key that stands twice or too deep
  };
  Kind kind{};
  std::string message;  // "not JSON at byte 17"
};

/// Reads `bytes`, which must be one value and nothing else, with at most `most_depth` objects and
/// arrays inside one another.
base::Result<nlohmann::json, JsonFault> parse_strict_json(std::span<const std::byte> bytes,
                                                          std::size_t most_depth);

}  // namespace gateway
