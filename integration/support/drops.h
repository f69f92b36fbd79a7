// What the gateway has counted as dropped.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "integration/support/gateway_process.h"

namespace integration {

/// By reason; those that never happened are 0.
inline std::map<std::string, std::uint64_t> drops(const GatewayProcess& gateway) {
  std::map<std::string, std::uint64_t> counts;
  for (const auto& drop : gateway.flowctl({"drops"})) {
    counts[drop.at("name")] = drop.at("count");
  }
  return counts;
}

}  // namespace integration
