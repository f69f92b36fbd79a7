// FlowRegion: how the flow table lies in memory, for the process that writes it (flow_table.h) and
// those that read it (flow_snapshot.h); and the names that flows refer to (name_table.h).
//
//     RegionHeader | HashBlock[] | Flow[capacity] | NameRecord[]
//
// A record is read under its own seqlock: the writer makes `version` odd, writes, and makes it even
// again; a reader whose copy began and ended under the same even version has a whole record. Words
// are stored with release and loaded with acquire order, which on x86 are plain moves: a reader
// that sees a word of a later generation then also sees that the version has moved on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "flows/flow.h"
#include "flows/name_table.h"

namespace flows {

/// The fields up to `records_offset` never change once `magic` is there; the others belong to the
/// writer's thread and are moved with relaxed atomics, because readers look.
struct RegionHeader {
  static constexpr std::uint64_t kMagic = 0x776f6c667466696c;  // "liftflow", little-endian
  static constexpr std::uint32_t kLayoutVersion = 5;           // of this header and of Flow

  std::uint64_t magic;
  std::uint32_t layout_version;
  std::uint32_t record_bytes;
  std::uint32_t capacity;
  std::uint32_t unused;
  std::uint64_t block_count;
  std::uint64_t blocks_offset;
  std::uint64_t records_offset;

  alignas(64) std::uint64_t next_id;  // of the next flow
  std::uint32_t high_water;           // records from here on were never used
  std::uint32_t live_count;
  std::uint32_t free_head;  // index + 1 of the record freed last; 0: none
};

inline constexpr std::uint32_t kMaxCapacity = std::uint32_t{1} << 31U;

/// Where things lie in a region of `capacity` (1 .. kMaxCapacity) flows.
struct RegionLayout {
  std::uint64_t block_count;
  std::uint64_t blocks_offset;
  std::uint64_t records_offset;
  std::uint64_t names_offset;
  std::uint32_t name_count;
  std::uint64_t bytes;

  static RegionLayout of(std::uint32_t capacity);
};

/// Stores the fields of `from` that are not the table's own, under the seqlock of `record`.
void publish_record(Flow& record, const Flow& from);

/// Makes `record` a free one, under its seqlock.
void retire_record(Flow& record);

/// A consistent copy, `version` included, the table's other fields left at their defaults. Empty
/// when the record is free, or stayed under change for as long as we were willing to try.
std::optional<Flow> read_record(const Flow& record);

}  // namespace flows
