#include "flows/hash_index.h"

namespace flows {
namespace {

constexpr std::uint8_t kForEver = 255;  // more than can be counted

}  // namespace

void HashIndex::add(std::uint32_t hash, std::uint32_t position) {
  std::size_t at = home_of(hash);
  for (std::size_t seen = 0; seen < blocks_.size(); ++seen) {
    HashBlock& block = blocks_[at];
    if (const Slots free = slots_with(block, 0); !free.empty()) {
      block.positions[free.first()] = position;
      set_tag(block, free.first(), tag_of(hash));
      return;
    }
    std::uint8_t& spilled = block.spilled[spill_class(hash)];
    spilled += spilled == kForEver ? 0 : 1;
    at = after(at);
  }
  base::check_failed("the index was made for as many records", __FILE__, __LINE__);
}

void HashIndex::remove(std::uint32_t hash, std::uint32_t position) {
  std::size_t at = home_of(hash);
  for (std::size_t seen = 0; seen < blocks_.size(); ++seen) {
    HashBlock& block = blocks_[at];
    for (Slots slots = slots_with(block, tag_of(hash)); !slots.empty(); slots.drop_first()) {
      if (block.positions[slots.first()] == position) {
        set_tag(block, slots.first(), 0);
        return;
      }
    }
    std::uint8_t& spilled = block.spilled[spill_class(hash)];
    CHECK(spilled > 0);
    spilled -= spilled == kForEver ? 0 : 1;
    at = after(at);
  }
  base::check_failed("what was added is there", __FILE__, __LINE__);
}

}  // namespace flows
