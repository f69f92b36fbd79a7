#include "flows/hash_index.h"

#include <array>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flows {
namespace {

using testing::Each;
using testing::ElementsAre;

// The positions that find() looks at for `hash`, in order, when it takes none.
std::vector<std::uint32_t> looked_at(const HashIndex& index, std::uint32_t hash) {
  std::vector<std::uint32_t> seen;
  EXPECT_FALSE(index.find(hash, [&](std::uint32_t position) {
    seen.push_back(position);
    return false;
  }));
  return seen;
}

bool holds(const HashIndex& index, std::uint32_t hash, std::uint32_t position) {
  return index.find(hash, [&](std::uint32_t each) { return each == position; }) == position;
}

// Of two blocks: the upper half of the hashes has the second for its home.
constexpr std::uint32_t kInFirst = 0x00000042;
constexpr std::uint32_t kInSecond = 0x80000042;

TEST(HashIndex, FindsWhatWasAddedUnderItsHash) {
  std::array<HashBlock, 2> blocks;
  HashIndex index(blocks);
  index.add(kInFirst, 7);
  index.add(kInSecond, 0);

  EXPECT_TRUE(holds(index, kInFirst, 7));
  EXPECT_TRUE(holds(index, kInSecond, 0));
  EXPECT_EQ(looked_at(index, kInFirst), std::vector<std::uint32_t>{7});
}

TEST(HashIndex, LooksAtNoRecordWhoseTagIsAnother) {
  std::array<HashBlock, 1> blocks;
  HashIndex index(blocks);
  for (std::uint32_t tag = 2; tag < 14; ++tag) {
    index.add(tag, 100 + tag);
  }

  for (std::uint32_t tag = 2; tag < 14; ++tag) {
    EXPECT_EQ(looked_at(index, tag), std::vector<std::uint32_t>{100 + tag});
  }
  EXPECT_TRUE(looked_at(index, 14).empty());
  EXPECT_TRUE(looked_at(index, 0x82).empty());  // 2, and the highest bit
}

// A tag of 0 would be a free slot's.
TEST(HashIndex, FindsAHashWhoseLowestByteIsZero) {
  std::array<HashBlock, 1> blocks;
  HashIndex index(blocks);
  EXPECT_TRUE(looked_at(index, 0x100).empty());

  index.add(0x100, 3);

  EXPECT_TRUE(holds(index, 0x100, 3));
}

TEST(HashIndex, RecordsOfOneHashAreAllLookedAt) {
  std::array<HashBlock, 1> blocks;
  HashIndex index(blocks);
  for (std::uint32_t i = 0; i < HashBlock::kSlots; ++i) {
    index.add(kInFirst, i);
  }
  for (std::uint32_t i = 0; i < HashBlock::kSlots; ++i) {
    EXPECT_TRUE(holds(index, kInFirst, i)) << i;
  }
  EXPECT_EQ(looked_at(index, kInFirst).size(), HashBlock::kSlots);
}

TEST(HashIndex, FullBlockSpillsIntoTheNextAndRoundTheEnd) {
  std::array<HashBlock, 2> blocks;
  HashIndex index(blocks);
  for (std::uint32_t i = 0; i < HashBlock::kSlots + 3; ++i) {
    index.add(kInSecond, i);
  }

  EXPECT_THAT(blocks[1].spilled, ElementsAre(3, 0, 0, 0));
  EXPECT_THAT(blocks[0].spilled, Each(0));
  for (std::uint32_t i = 0; i < HashBlock::kSlots + 3; ++i) {
    EXPECT_TRUE(holds(index, kInSecond, i)) << i;
  }
}

// A removal in the home must not end the search for what lies beyond it.
TEST(HashIndex, SpilledRecordIsFoundAfterItsHomeHasRoomAgain) {
  std::array<HashBlock, 2> blocks;
  HashIndex index(blocks);
  for (std::uint32_t i = 0; i <= HashBlock::kSlots; ++i) {
    index.add(kInFirst, i);
  }

  index.remove(kInFirst, 4);

  EXPECT_FALSE(holds(index, kInFirst, 4));
  EXPECT_TRUE(holds(index, kInFirst, HashBlock::kSlots));
}

// A lookup that is not for one of those that went on ends in its home.
TEST(HashIndex, SpilledRecordsSendOnlyTheirOwnKindOn) {
  std::array<HashBlock, 2> blocks;
  HashIndex index(blocks);
  for (std::uint32_t i = 0; i <= HashBlock::kSlots; ++i) {
    index.add(kInFirst, i);  // the last lies in the second block
  }
  constexpr std::uint32_t kOtherKind = kInFirst + 0x100;  // of the same home and tag

  EXPECT_EQ(looked_at(index, kInFirst).size(), HashBlock::kSlots + 1);
  EXPECT_EQ(looked_at(index, kOtherKind).size(), HashBlock::kSlots);
}

TEST(HashIndex, CounterThatIsFullStaysSo) {
  std::array<HashBlock, 40> blocks;
  HashIndex index(blocks);
  constexpr std::uint32_t kMany = HashBlock::kSlots + 300;
  for (std::uint32_t i = 0; i < kMany; ++i) {
    index.add(0, i);
  }
  for (std::uint32_t i = 0; i < kMany; ++i) {
    EXPECT_TRUE(holds(index, 0, i)) << i;
    index.remove(0, i);
  }
  EXPECT_THAT(blocks[0].spilled, ElementsAre(255, 0, 0, 0));
  EXPECT_TRUE(looked_at(index, 0).empty());
}

TEST(HashIndex, IsAsIfNewWhenAllIsRemoved) {
  std::array<HashBlock, 3> blocks;
  HashIndex index(blocks);
  constexpr std::uint32_t kAll = 3 * HashBlock::kSlots;
  for (std::uint32_t i = 0; i < kAll; ++i) {
    index.add(i * 0x9e3779b9U, i);
  }
  for (std::uint32_t i = 0; i < kAll; ++i) {
    index.remove(i * 0x9e3779b9U, i);
  }

  for (const HashBlock& block : blocks) {
    EXPECT_EQ(block.first_tags, 0U);
    EXPECT_EQ(block.last_tags, 0U);
    EXPECT_THAT(block.spilled, Each(0));
  }
}

// Every block may have sent records on, and the one that is looked for be nowhere.
TEST(HashIndex, SearchEndsWhenEveryBlockHasSpilled) {
  std::array<HashBlock, 2> blocks;
  blocks[0].spilled.fill(1);
  blocks[1].spilled.fill(1);
  EXPECT_TRUE(looked_at(HashIndex(blocks), kInFirst).empty());
}

TEST(HashIndexDeathTest, RemovingWhatIsNotThereAborts) {
  std::array<HashBlock, 2> blocks;
  HashIndex index(blocks);
  index.add(kInFirst, 1);
  EXPECT_DEATH(index.remove(kInFirst, 2), "CHECK failed");
  EXPECT_DEATH(index.remove(kInSecond, 1), "CHECK failed");
}

TEST(HashIndexDeathTest, AddingMoreThanThereIsRoomForAborts) {
  std::array<HashBlock, 1> blocks;
  HashIndex index(blocks);
  for (std::uint32_t i = 0; i < HashBlock::kSlots; ++i) {
    index.add(i, i);
  }
  EXPECT_DEATH(index.add(1, 99), "CHECK failed");
}

}  // namespace
}  // namespace flows
