#include "tools/flowctl/keys.h"

#include <gtest/gtest.h>

namespace flowctl {
namespace {

using Kind = Key::Kind;

std::vector<Kind> kinds_in(std::string_view bytes) {
  std::vector<Kind> kinds;
  for (const Key& key : keys_in(bytes)) {
    kinds.push_back(key.kind);
  }
  return kinds;
}

TEST(Keys, OfBothCursorModesAreTheSame) {
  EXPECT_EQ(kinds_in("\x1b[A\x1b[B"), (std::vector{Kind::kUp, Kind::kDown}));
  EXPECT_EQ(kinds_in("\x1bOA\x1bOB"), (std::vector{Kind::kUp, Kind::kDown}));
  EXPECT_EQ(kinds_in("\x1b[5~\x1b[6~\x1b[H\x1b[4~"),
            (std::vector{Kind::kPageUp, Kind::kPageDown, Kind::kHome, Kind::kEnd}));
}

TEST(Keys, CharactersCarryThemselves) {
  EXPECT_EQ(keys_in("q/"), (std::vector<Key>{{.kind = Kind::kCharacter, .character = 'q'},
                                             {.kind = Kind::kCharacter, .character = '/'}}));
  EXPECT_EQ(kinds_in("\r\n\t\x7f\x03"), (std::vector{Kind::kEnter, Kind::kEnter, Kind::kTab,
                                                     Kind::kBackspace, Kind::kInterrupt}));
}

TEST(Keys, EscapeAloneIsAKeyAndSequencesThatWeDoNotKnowAreOneToo) {
  EXPECT_EQ(kinds_in("\x1b"), std::vector{Kind::kEscape});
  EXPECT_EQ(kinds_in("\x1b[1;5Cq"), (std::vector{Kind::kOther, Kind::kCharacter}));
  EXPECT_EQ(kinds_in("\x1b[200"), std::vector{Kind::kOther});
  EXPECT_EQ(kinds_in("\x1bO"), std::vector{Kind::kOther});
  EXPECT_EQ(kinds_in("\x01\xc3"), (std::vector{Kind::kOther, Kind::kOther}));
}

}  // namespace
}  // namespace flowctl
