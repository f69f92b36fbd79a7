#include "gateway/inspect/json_writer.h"

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gateway {
namespace {

std::string text_of(std::string_view text) {
  std::string out;
  append_json_text(out, text);
  return out;
}

TEST(JsonWriter, PutsTheCommasOfNestedValues) {
  std::string out;
  JsonWriter json(out);

  json.open_object().number("a", 1).open_object("b").close_object().open_array("c");
  json.element("x").element("y").open_object().flag("d", true).null("e").close_object();
  json.close_array().text("f", "g").label("h\"", "i").close_object();

  EXPECT_EQ(out, R"({"a":1,"b":{},"c":["x","y",{"d":true,"e":null}],"f":"g","h\"":"i"})");
}

TEST(JsonWriter, WritesTheLargestNumber) {
  std::string out;
  JsonWriter(out).open_object().number("n", UINT64_MAX).close_object();
  EXPECT_EQ(out, R"({"n":18446744073709551615})");
}

TEST(JsonText, EscapesWhatJsonAsks) {
  EXPECT_EQ(text_of("plain é 😀"), "\"plain é 😀\"");
  EXPECT_EQ(text_of("a\"b\\c\nd"), R"("a\"b\\c\nd")");
  EXPECT_EQ(text_of(std::string_view("\0\x1f\x7f", 3)), R"("\u0000\u001f\u007f")");
}

TEST(JsonText, BytesThatAreNotUtf8BecomeReplacementCharacters) {
  EXPECT_EQ(text_of("a\xff\xe9z"), "\"a\xef\xbf\xbd\xef\xbf\xbdz\"");
}

TEST(JsonText, IsReadBackAsItWas) {
  std::string every_character;
  for (int byte = 0; byte < 128; ++byte) {
    every_character += static_cast<char>(byte);
  }
  every_character += "é€😀";
  EXPECT_EQ(nlohmann::json::parse(text_of(every_character)).get<std::string>(), every_character);
}

}  // namespace
}  // namespace gateway
