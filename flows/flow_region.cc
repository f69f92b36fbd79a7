#include "flows/flow_region.h"

#include <algorithm>
#include <atomic>

#include "base/check.h"
#include "flows/hash_index.h"

namespace flows {
namespace {

// The records are copied in words; may_alias, because they were not written as such.
using Word [[gnu::may_alias]] = std::uint64_t;

constexpr std::size_t kFirstWord = offsetof(Flow, key) / sizeof(Word);
constexpr std::size_t kWords = sizeof(Flow) / sizeof(Word);
static_assert(offsetof(Flow, key) % sizeof(Word) == 0 && sizeof(Flow) % sizeof(Word) == 0);
// A counter or time is never torn, because it is one word.
static_assert(offsetof(Flow, last_seen_ns) % sizeof(Word) == 0);

// A change takes some ten nanoseconds; it takes longer only when its thread lost the processor.
constexpr int kMaxTries = 1000;

constexpr std::uint64_t align_up(std::uint64_t bytes) {
  constexpr std::uint64_t kCacheLine = 64;
  return (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
}

// Loads from memory that may be mapped read-only, where atomic_ref<const T> would be the word for
// it if C++20 had it.
template <class T>
T load_acquire(const T& value) {
  return std::atomic_ref(const_cast<T&>(value)).load(std::memory_order_acquire);
}

std::uint32_t begin_change(Flow& record) {
  const std::uint32_t version = record.version;
  CHECK(version % 2 == 0);
  std::atomic_ref(record.version).store(version + 1, std::memory_order_relaxed);
  return version;
}

void end_change(Flow& record, std::uint32_t version) {
  std::atomic_ref(record.version).store(version + 2, std::memory_order_release);
}

}  // namespace

RegionLayout RegionLayout::of(std::uint32_t capacity) {
  CHECK(capacity >= 1 && capacity <= kMaxCapacity);
  RegionLayout layout{};
  layout.block_count = HashIndex::blocks_for(capacity);
  layout.blocks_offset = align_up(sizeof(RegionHeader));
  layout.records_offset = layout.blocks_offset + layout.block_count * sizeof(HashBlock);
  layout.names_offset = align_up(layout.records_offset + std::uint64_t{capacity} * sizeof(Flow));
  layout.name_count = std::min(capacity, kMaxNames);
  layout.bytes = layout.names_offset + std::uint64_t{layout.name_count} * sizeof(NameRecord);
  return layout;
}

void publish_record(Flow& record, const Flow& from) {
  const std::uint32_t version = begin_change(record);
  auto* to_words = reinterpret_cast<Word*>(&record);
  const auto* from_words = reinterpret_cast<const Word*>(&from);
  for (std::size_t i = kFirstWord; i < kWords; ++i) {
    __atomic_store_n(to_words + i, from_words[i], __ATOMIC_RELEASE);
  }
  end_change(record, version);
}

void retire_record(Flow& record) {
  const std::uint32_t version = begin_change(record);
  std::atomic_ref(record.id).store(0, std::memory_order_release);
  end_change(record, version);
}

std::optional<Flow> read_record(const Flow& record) {
  const auto* from_words = reinterpret_cast<const Word*>(&record);
  for (int i = 0; i < kMaxTries; ++i) {
    const std::uint32_t version = load_acquire(record.version);
    if (version % 2 != 0) {
      continue;
    }
    if (load_acquire(record.id) == 0) {
      return std::nullopt;
    }
    Flow copy;
    auto* to_words = reinterpret_cast<Word*>(&copy);
    for (std::size_t word = kFirstWord; word < kWords; ++word) {
      to_words[word] = __atomic_load_n(from_words + word, __ATOMIC_ACQUIRE);
    }
    // Not before the loads above, because those acquire.
    if (load_acquire(record.version) == version) {
      copy.version = version;
      return copy.id != 0 ? std::optional(copy) : std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace flows
