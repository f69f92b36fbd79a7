#include "flows/drop.h"

#include <cctype>
#include <set>
#include <string_view>

#include <gtest/gtest.h>

namespace flows {
namespace {

constexpr Drop drop_at(std::size_t index) {
  return static_cast<Drop>(index);
}

TEST(Drop, EveryReasonHasItsOwnNameInSnakeCase) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kDropCount; ++i) {
    const std::string_view text = name(drop_at(i));
    EXPECT_EQ(text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos)
        << text;
    names.insert(text);
  }
  EXPECT_EQ(names.size(), kDropCount);
}

TEST(Drop, EveryReasonHasItsOwnExplanation) {
  std::set<std::string_view> sentences;
  for (std::size_t i = 0; i < kDropCount; ++i) {
    EXPECT_GT(explain(drop_at(i)).size(), name(drop_at(i)).size());
    EXPECT_TRUE(std::isupper(explain(drop_at(i)).front())) << explain(drop_at(i));
    sentences.insert(explain(drop_at(i)));
  }
  EXPECT_EQ(sentences.size(), kDropCount);
}

TEST(Drop, NamesAreThoseOfTheEnumerators) {
  EXPECT_EQ(name(Drop::kEmpty), "empty");
  EXPECT_EQ(name(Drop::kBadIpChecksum), "bad_ip_checksum");
  EXPECT_EQ(name(Drop::kNoBinding), "no_binding");
}

TEST(DropDeathTest, ValueThatIsNoReasonAborts) {
  EXPECT_DEATH((void)name(drop_at(kDropCount)), "CHECK failed");
  EXPECT_DEATH((void)explain(drop_at(kDropCount)), "CHECK failed");
}

TEST(DropCounters, CountsEachReasonByItself) {
  DropCounters counters;
  counters.count(Drop::kTruncated);
  counters.count(Drop::kNoBinding);
  counters.count(Drop::kNoBinding);

  EXPECT_EQ(counters.of(Drop::kEmpty), 0u);
  EXPECT_EQ(counters.of(Drop::kTruncated), 1u);
  EXPECT_EQ(counters.of(Drop::kNoBinding), 2u);
}

}  // namespace
}  // namespace flows
