#include "gateway/config/yaml_tree.h"

#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway {
namespace {

using Kind = YamlNode::Kind;
using testing::HasSubstr;

std::string error_of(std::string_view text) {
  const auto parsed = parse_yaml(text);
  return parsed ? "" : parsed.error().what;
}

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) {
    all += text;
  }
  return all;
}

TEST(YamlTree, KeepsOrderPlacesAndEqualKeys) {
  const auto root = parse_yaml("a: 1\nb:\n  - x\n  - 'y'\na: ~\n");
  ASSERT_TRUE(root);
  ASSERT_EQ(root->entries.size(), 3u);
  EXPECT_EQ(root->entries[0].value.text, "1");
  EXPECT_EQ(root->entries[2].key.text, "a");
  EXPECT_TRUE(root->entries[2].value.is(Kind::kNull));
  EXPECT_EQ(root->find("a"), &root->entries[0]) << "the first";
  const YamlNode& list = root->entries[1].value;
  ASSERT_EQ(list.items.size(), 2u);
  EXPECT_FALSE(list.items[0].quoted);
  EXPECT_TRUE(list.items[1].quoted);
  EXPECT_EQ(list.items[1].place.line, 4);
  EXPECT_EQ(list.items[1].place.column, 5);
}

TEST(YamlTree, NothingIsANullNode) {
  for (const char* text : {"", "# comment", "---", "~"}) {
    const auto root = parse_yaml(text);
    ASSERT_TRUE(root) << text;
    EXPECT_TRUE(root->is(Kind::kNull)) << text;
  }
}

TEST(YamlTree, AliasIsACopy) {
  const auto root = parse_yaml("a: &x [1, 2]\nb: *x\n");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->find("b")->value.items[1].text, "2");
}

TEST(YamlTree, AliasInsideItsOwnValueIsRefused) {
  EXPECT_THAT(error_of("a: &x [*x]"), HasSubstr("inside the very value"));
}

TEST(YamlTree, AliasOfNothingIsRefused) {
  EXPECT_THAT(error_of("a: *x"), HasSubstr("not YAML"));
}

TEST(YamlTree, AliasBombDoesNotExplode) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string below = "*a" + std::to_string(i - 1);
    const std::string name = "a" + std::to_string(i);
    bomb += name + ": &" + name + " [" + repeated(below + ", ", 9) + below + "]\n";
  }
  EXPECT_THAT(error_of(bomb), HasSubstr("aliases"));
}

TEST(YamlTree, DeepNestingIsAnErrorAtItsPlace) {
  for (const int depth : {40, 2000}) {
    for (const char* open : {"[", "{a: ", "- "}) {
      const auto parsed = parse_yaml(repeated(open, depth));
      ASSERT_FALSE(parsed) << open << depth;
      EXPECT_EQ(parsed.error().what,
                "nested too deeply; no setting is so deep, so close what is open")
          << open << depth;
      EXPECT_EQ(parsed.error().place.line, 1);
    }
  }
}

TEST(YamlTree, AliasCannotNestDeeperThanText) {
  std::string text = "a0: &a0 x\n";
  for (int i = 1; i < 40; ++i) {
    const std::string name = "a" + std::to_string(i);
    text += name + ": &" + name + " [*a" + std::to_string(i - 1) + "]\n";
  }
  EXPECT_EQ(error_of(text), "nested too deeply; no setting is so deep, so close what is open");
}

TEST(YamlTree, SecondDocumentAndTagsAreRefused) {
  EXPECT_THAT(error_of("a: 1\n---\nb: 2\n"), HasSubstr("second document"));
  EXPECT_THAT(error_of("a: !!int 1"), HasSubstr("tags"));
  EXPECT_THAT(error_of("a: !mine {b: 1}"), HasSubstr("tags"));
}

}  // namespace
}  // namespace gateway
