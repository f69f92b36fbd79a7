// JSON text: what a gateway's reply says, as people read it.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "tools/flowctl/human.h"
#include "tools/flowctl/reply.h"

namespace flowctl {

inline std::string text_at(const Json& object, const char* key) {
  return base::printable(object.at(key).get<std::string>());
}
inline std::uint64_t number_at(const Json& object, const char* key) {
  return object.at(key).get<std::uint64_t>();
}
inline std::string digits_at(const Json& object, const char* key) {
  return std::to_string(number_at(object, key));
}
inline std::string bytes_at(const Json& object, const char* key) {
  return human_bytes(number_at(object.at(key), "bytes"));
}
/// "3 of 100"
inline std::string share(const Json& object, const char* used, const char* limit) {
  return digits_at(object, used) + " of " + digits_at(object, limit);
}
/// Whose flows share a bandwidth: "rule web", or "tenant" where it is the tenant's own.
inline std::string bandwidth_of(const Json& bandwidth) {
  return bandwidth.at("rule").is_null() ? "tenant" : "rule " + text_at(bandwidth, "rule");
}

}  // namespace flowctl
