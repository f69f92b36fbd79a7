// FlowTable: every flow of one shard, in one contiguous region of flat records.
//
// Theory of operation
//
//     region:  RegionHeader | HashBlock[] | Flow[capacity]
//
// The region is memory of the caller's (the gateway's memfd), all zero at first and touched only as
// it is used: records are handed out from a free list, then from a high-water mark. Nothing ever
// moves, so an index stays good for the life of its flow, no insert rehashes, and another process
// may map the region read-only and list it (flow_snapshot.h).
//
// The hash is keyed (attackers choose the 5-tuple) and symmetric, so that one lookup finds a flow
// from the packets of either direction. A lookup costs two cache misses (hash_index.h): what is
// compared lies at the front of the record.
//
// tests/flows/flow_table_test.cc states the same; flow_region.h is the layout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "base/result.h"
#include "base/time.h"
#include "flows/drop.h"
#include "flows/flow.h"
#include "flows/flow_hash.h"
#include "flows/flow_id.h"
#include "flows/flow_region.h"
#include "flows/hash_index.h"

namespace flows {

struct FlowMatch {
  FlowIndex index;
  Side sender;  // which end of the flow the key's source is
};

/// Belongs to one shard's thread. Reads no clock, allocates nothing.
class FlowTable {
 public:
  /// Bytes that create() needs for `capacity` flows (1 .. 2^31).
  static std::size_t region_bytes(std::uint32_t capacity);

  /// Lays an empty table out in `region`, which is zeroed, 64-byte aligned, at least
  /// region_bytes(capacity) long, and outlives the table. Ids count from `first_id` on.
  static FlowTable create(std::span<std::byte> region, std::uint32_t capacity, HashSeed seed,
                          std::uint64_t first_id = first_flow_id(0));

  FlowTable(FlowTable&&) = default;
  FlowTable& operator=(FlowTable&&) = default;
  FlowTable(const FlowTable&) = delete;
  FlowTable& operator=(const FlowTable&) = delete;
  ~FlowTable() = default;

  /// Finds the flow that a packet with this key belongs to, in whichever direction it goes. One
  /// that policy has refused has one direction only: nobody has heard of it, and what comes the
  /// other way may be allowed. Ports need not differ (IKE, NTP, WireGuard), and other protocols
  /// have none.
  [[nodiscard]] std::optional<FlowMatch> find(const FlowKey& key) const {
    return find(key, symmetric_hash(key, seed_));
  }

  /// Adds a flow with a fresh id, created and last seen `now`. No flow may be
  /// there that find() finds for `key`. Fails with kFlowTableFull; nothing has changed then.
  base::Result<FlowIndex, Drop> insert(const FlowKey& key, base::Instant now) {
    return insert(key, now, [](Flow&) {});
  }
  /// The same with `fill(Flow&)` called on the record before anybody else can see it. It is not
  /// called when the table is full, and leaves id and key alone.
  template <class Fill>
  base::Result<FlowIndex, Drop> insert(const FlowKey& key, base::Instant now, Fill fill) {
    if (size() == capacity()) {
      return base::Unexpected{Drop::kFlowTableFull};
    }
    Flow flow = draft(key, now);
    fill(flow);
    return add(flow, key);
  }

  /// Calls `change(Flow&)` on a copy and stores that back as one change, for what other processes
  /// must not see half done. Single words (counters, times, states) may be written directly.
  /// `change` leaves id and key alone, and erases nothing.
  template <class Change>
  void update(FlowIndex index, Change change) {
    Flow flow = (*this)[index];
    change(flow);
    replace(index, flow);
  }

  /// Forgets the flow. Its timer must have been disarmed (expiry_wheel.h).
  void erase(FlowIndex index);

  /// Calls `visit(FlowIndex)` for every flow, in the order of the records. `visit` may erase any
  /// flow, the visited one included; one that it inserts may or may not be visited. Walks all
  /// records that were ever in use, so it is for what an operator does, not for packets or tunnels.
  template <class Visit>
  void for_each(Visit visit) {
    for (std::uint32_t i = 0; i < header_->high_water; ++i) {
      if (records_[i].id != 0) {
        visit(FlowIndex{i});
      }
    }
  }

  [[nodiscard]] Flow& operator[](FlowIndex index) {
    CHECK(number(index) < header_->high_water);
    return records_[number(index)];
  }
  [[nodiscard]] const Flow& operator[](FlowIndex index) const {
    CHECK(number(index) < header_->high_water);
    return records_[number(index)];
  }
  [[nodiscard]] std::uint32_t size() const { return header_->live_count; }
  [[nodiscard]] std::uint32_t capacity() const { return header_->capacity; }

 private:
  FlowTable(RegionHeader* header, std::span<HashBlock> blocks, Flow* records, HashSeed seed)
      : header_(header), index_(blocks), records_(records), seed_(seed) {}

  [[nodiscard]] std::optional<FlowMatch> find(const FlowKey& key, std::uint32_t hash) const;
  [[nodiscard]] Flow draft(const FlowKey& key, base::Instant now) const;
  FlowIndex add(const Flow& flow, const FlowKey& key);
  void replace(FlowIndex index, const Flow& flow);
  std::uint32_t take_free_record();

  RegionHeader* header_;
  HashIndex index_;
  Flow* records_;
  HashSeed seed_;
};

}  // namespace flows
