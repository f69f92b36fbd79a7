// The hash of a flow's key: the same for both directions, and nobody's to predict.
#pragma once

#include <cstdint>

#include "flows/flow_key.h"

namespace flows {

/// Secret of the hash, from getrandom(2).
struct HashSeed {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};

/// SipHash-1-3 over the two endpoints in sorted order, the tenant, the protocol and of ICMP the
/// type that the flow begins with.
/// symmetric_hash(key) == symmetric_hash(key.reversed()).
[[nodiscard]] std::uint32_t symmetric_hash(const FlowKey& key, HashSeed seed);

}  // namespace flows
