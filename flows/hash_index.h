// HashIndex: where in an array a record with a given hash lies, in a cache line.
//
// Theory of operation
//
//     block:  tag[12] | spilled[4] | position[12]                       64 bytes, one cache line
//
// The upper bits of a hash choose its home block, the lowest byte is its tag. A lookup compares all
// tags of the block at once and looks only at records whose tag is right (by chance, at one of 256
// that are not meant), so that it costs two cache misses: the block, and the record. One that is
// not there costs one.
//
// A record whose home is full lies in the next block with room; every block that it passed counts
// it, in one of four counters that two bits of the hash choose. A lookup goes on while that is not
// 0. Blocks have room for 12 and hold 7 on average when all are there: 3 % of them spill, and one
// lookup in 150 goes on in vain. No insert moves anything. A counter that has once reached its
// highest stays there, which costs time only; a keyed hash does not get there.
//
// All zero is an empty index. tests/flows/hash_index_test.cc states the same.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/check.h"

namespace flows {

struct alignas(64) HashBlock {
  static constexpr std::uint32_t kSlots = 12;

  // A tag is a byte, 0 in a free slot; slot 0 is the lowest byte of the first word.
  std::uint64_t first_tags = 0;
  std::uint32_t last_tags = 0;
  std::array<std::uint8_t, 4> spilled{};
  std::array<std::uint32_t, kSlots> positions{};
};
static_assert(sizeof(HashBlock) == 64);

/// A view; does not own the blocks.
class HashIndex {
 public:
  /// Enough for `records`.
  static constexpr std::uint64_t blocks_for(std::uint64_t records) {
    constexpr std::uint64_t kMeanRecords = 7;
    return (records + kMeanRecords - 1) / kMeanRecords;
  }

  /// At least one, at most 2^32.
  explicit HashIndex(std::span<HashBlock> blocks) : blocks_(blocks) {}

  /// The position that was added under `hash` and for which `is_it(position)`.
  template <class IsIt>
  [[nodiscard]] std::optional<std::uint32_t> find(std::uint32_t hash, IsIt is_it) const {
    const std::uint64_t tag = tag_of(hash);
    std::size_t at = home_of(hash);
    for (std::size_t seen = 0; seen < blocks_.size(); ++seen) {
      const HashBlock& block = blocks_.data()[at];
      for (Slots slots = slots_with(block, tag); !slots.empty(); slots.drop_first()) {
        const std::uint32_t position = block.positions.data()[slots.first()];
        if (is_it(position)) {
          return position;
        }
      }
      if (block.spilled.data()[spill_class(hash)] == 0) {
        break;
      }
      at = after(at);
    }
    return std::nullopt;
  }

  /// There must be no more than the index was made for, and none that is_it() takes for this one.
  void add(std::uint32_t hash, std::uint32_t position);
  /// What was added must be there.
  void remove(std::uint32_t hash, std::uint32_t position);

 private:
  // A bit for each slot, the highest of its tag's byte.
  class Slots {
   public:
    Slots(std::uint64_t low, std::uint64_t high) : low_(low), high_(high) {}
    [[nodiscard]] bool empty() const { return (low_ | high_) == 0; }
    [[nodiscard]] std::size_t first() const {
      constexpr std::size_t kInLow = 8;
      const auto byte = [](std::uint64_t bits) {
        return static_cast<std::size_t>(std::countr_zero(bits)) / 8;
      };
      return low_ != 0 ? byte(low_) : kInLow + byte(high_);
    }
    void drop_first() { (low_ != 0 ? low_ : high_) &= (low_ != 0 ? low_ : high_) - 1; }

   private:
    std::uint64_t low_;
    std::uint64_t high_;
  };

  static constexpr std::uint64_t kEveryByte = 0x0101010101010101;

  // The highest bit of every byte of `word` that is 0, exactly.
  static constexpr std::uint64_t zero_bytes(std::uint64_t word) {
    constexpr std::uint64_t kLow7 = 0x7f * kEveryByte;
    return ~(((word & kLow7) + kLow7) | word | kLow7);
  }
  static Slots slots_with(const HashBlock& block, std::uint64_t tag) {
    const std::uint64_t wanted = tag * kEveryByte;
    return {zero_bytes(block.first_tags ^ wanted),
            zero_bytes(block.last_tags ^ wanted) & 0xffffffffU};
  }
  static void set_tag(HashBlock& block, std::size_t slot, std::uint64_t tag) {
    if (slot < 8) {
      const std::size_t shift = slot * 8;
      block.first_tags = (block.first_tags & ~(std::uint64_t{0xff} << shift)) | tag << shift;
    } else {
      const std::size_t shift = (slot - 8) * 8;
      block.last_tags =  // of four slots. NOLINTNEXTLINE(clang-analyzer-core.BitwiseShift)
          static_cast<std::uint32_t>((block.last_tags & ~(0xffU << shift)) | tag << shift);
    }
  }

  static std::uint64_t tag_of(std::uint32_t hash) {
    const std::uint32_t tag = hash & 0xffU;
    return tag != 0 ? tag : 1;  // 0 is a free slot
  }
  static std::size_t spill_class(std::uint32_t hash) { return hash >> 8U & 3U; }
  [[nodiscard]] std::size_t home_of(std::uint32_t hash) const {
    return static_cast<std::size_t>(std::uint64_t{hash} * blocks_.size() >> 32U);
  }
  [[nodiscard]] std::size_t after(std::size_t at) const {
    return at + 1 < blocks_.size() ? at + 1 : 0;
  }

  std::span<HashBlock> blocks_;
};

}  // namespace flows
