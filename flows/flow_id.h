// Flow ids: unique over all shards of a gateway, and each says which shard it is of.
//
// The shard is in the high bits. What is below is enough for 17 million million flows of a shard,
// and an id of any of the first 512 shards is below 2^53: every reader of JSON takes it whole.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flows {

inline constexpr unsigned kFlowIdCountBits = 44;
inline constexpr std::size_t kMostShards = 128;  // chosen

[[nodiscard]] constexpr std::uint64_t first_flow_id(std::size_t shard) {
  return (std::uint64_t{shard} << kFlowIdCountBits) + 1;
}
[[nodiscard]] constexpr std::size_t shard_of_flow(std::uint64_t id) {
  return static_cast<std::size_t>(id >> kFlowIdCountBits);
}

}  // namespace flows
