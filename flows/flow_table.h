// FlowTable: every flow of one shard, in one contiguous region of flat records.
//
// Theory of operation
//
//     region:  RegionHeader | bucket[2 x capacity, rounded to a power of two] | Flow[capacity]
//
// The region is memory of the caller's (the gateway's memfd), all zero at first and touched only as
// it is used: records are handed out from a free list, then from a high-water mark. Nothing ever
// moves, so an index stays good for the life of its flow, no insert rehashes, and another process
// may map the region read-only and list it (flow_snapshot.h).
//
// A bucket holds the index + 1 of the first record of its chain. The hash is keyed (attackers
// choose the 5-tuple) and symmetric, so that one lookup finds a flow from the packets of either
// direction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/result.h"
#include "base/time.h"
#include "flows/drop.h"
#include "flows/flow.h"

namespace flows {

/// Secret of the hash, from getrandom(2).
struct HashSeed {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};

struct FlowMatch {
  FlowIndex index;
  Side sender;  // which end of the flow the key's source is
};

/// Belongs to one shard's thread. Reads no clock.
class FlowTable {
 public:
  /// Bytes that create() needs for `capacity` flows (1 .. 2^31).
  static std::size_t region_bytes(std::uint32_t capacity);

  /// Lays an empty table out in `region`, which is zeroed, 64-byte aligned, at least
  /// region_bytes(capacity) long, and outlives the table.
  static FlowTable create(std::span<std::byte> region, std::uint32_t capacity, HashSeed seed);

  /// Finds the flow that a packet with this key belongs to, in whichever direction it goes.
  [[nodiscard]] std::optional<FlowMatch> find(const FlowKey& key) const;

  /// Adds a flow with a fresh id, created and last seen `now`. `key` must not be there yet.
  /// Fails with kFlowTableFull; nothing has changed then.
  base::Result<FlowIndex, Drop> insert(const FlowKey& key, base::Instant now);

  /// Forgets the flow. Its timer must have been disarmed (expiry_wheel.h).
  void erase(FlowIndex index);

  [[nodiscard]] Flow& operator[](FlowIndex index);
  [[nodiscard]] const Flow& operator[](FlowIndex index) const;
  [[nodiscard]] std::uint32_t size() const;
  [[nodiscard]] std::uint32_t capacity() const;

  // Private members and helpers are the implementation's to choose.
};

}  // namespace flows
