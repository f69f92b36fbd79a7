#include "base/utf8.h"

#include <gtest/gtest.h>

namespace base {
namespace {

TEST(Utf8, ReadsCharactersOfEveryLength) {
  EXPECT_EQ(utf8_at("a", 0).code, U'a');
  EXPECT_EQ(utf8_at("é", 0).code, U'é');
  EXPECT_EQ(utf8_at("€", 0).code, U'€');
  EXPECT_EQ(utf8_at("x😀", 1).code, U'😀');
  EXPECT_EQ(utf8_at("x😀", 1).bytes, 4u);
}

TEST(Utf8, RefusesWhatRfc3629Refuses) {
  for (const std::string_view bad : {
           "\x80",              // a continuation with nothing before it
           "\xc0\xaf",          // '/' in two bytes
           "\xe0\x80\xaf",      // and in three
           "\xf0\x80\x80\xaf",  // and in four
           "\xed\xa0\x80",      // a surrogate
           "\xf4\x90\x80\x80",  // above U+10FFFF
           "\xf8\x88\x80\x80",  // five bytes
           "\xe2\x82",          // cut off
           "\xe2(\xa1",         // a continuation missing
           "\xff",
       }) {
    EXPECT_EQ(utf8_at(bad, 0).bytes, 0u) << printable(bad);
    EXPECT_FALSE(is_printable(bad));
  }
}

TEST(Utf8, FirstNotUtf8IsItsOffset) {
  EXPECT_EQ(first_not_utf8("plain, é and 😀"), std::nullopt);
  EXPECT_EQ(first_not_utf8(""), std::nullopt);
  EXPECT_EQ(first_not_utf8("ab\xff"), 2u);
}

TEST(Utf8, CharactersThatMoveOrReorderAreNotPrintable) {
  using namespace std::string_view_literals;
  EXPECT_TRUE(is_printable("laptop-17 é 日本"));
  for (const std::string_view bad : {"a\nb"sv, "a\tb"sv, "a\0b"sv, "\x1b[2J"sv, "\x7f"sv,
                                     "\u0085"sv, "\u2028"sv, "\u202e"sv, "\u2066"sv}) {
    EXPECT_FALSE(is_printable(bad)) << printable(bad);
  }
}

TEST(Utf8, PrintableReplacesAndClips) {
  EXPECT_EQ(printable("é\x1b[2J\xff!"), "é?[2J?!");
  EXPECT_EQ(printable("abcdef", 6), "abcdef");
  EXPECT_EQ(printable("abcdefg", 6), "abcdef...");
  EXPECT_EQ(printable("abé", 3), "ab...") << "never half a character";
}

}  // namespace
}  // namespace base
