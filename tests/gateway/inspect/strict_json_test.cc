#include "gateway/inspect/strict_json.h"

#include <string_view>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gateway {
namespace {

using nlohmann::json;
using Kind = JsonFault::Kind;

base::Result<json, JsonFault> parsed(std::string_view text, std::size_t most_depth = 4) {
  return parse_strict_json(std::as_bytes(std::span(text)), most_depth);
}

JsonFault fault_of(std::string_view text, std::size_t most_depth = 4) {
  const auto result = parsed(text, most_depth);
  EXPECT_FALSE(result) << text;
  return result ? JsonFault{} : result.error();
}

TEST(StrictJson, ReadsWhatTheLibraryReads) {
  for (const std::string_view text :
       {R"({"a":[1,-2,3.5,true,null,{"b":"é"}],"c":{}})", "[]", "17", R"("text")",
        R"({"big":18446744073709551615,"escaped":"\u00e9\n"})"}) {
    const auto value = parsed(text);
    ASSERT_TRUE(value) << text << ": " << value.error().message;
    EXPECT_EQ(*value, json::parse(text));
  }
}

TEST(StrictJson, SaysWhereItIsNotJson) {
  EXPECT_EQ(fault_of("{'a':1}").message, "not JSON at byte 2");
  EXPECT_EQ(fault_of(R"({"a":1,})").message, "not JSON at byte 8");
  EXPECT_EQ(fault_of(R"({"a":1}{"b":2})").message, "not JSON at byte 8");
  EXPECT_EQ(fault_of(R"({"a":1e999})").message, "not JSON at byte 10");
  EXPECT_EQ(fault_of("\"a\xff\"").message, "not UTF-8 at byte 3");
  EXPECT_EQ(fault_of("{'a':1}").kind, Kind::kNotJson);
}

TEST(StrictJson, HalfAValueEndsInTheMiddle) {
  for (const std::string_view half : {"", " ", "{", R"({"a)", R"({"a":tru)", R"({"a":1)"}) {
    EXPECT_EQ(fault_of(half).message, "not JSON: it ends in the middle") << half;
  }
}

TEST(StrictJson, KeyThatStandsTwiceIsRefusedWhereverItStands) {
  EXPECT_EQ(fault_of(R"({"a":1,"b":2,"a":3})").message, "'a' stands there twice");
  EXPECT_EQ(fault_of(R"([{"x":{"a":1,"\u0061":2}}])").message, "'a' stands there twice");
  EXPECT_EQ(fault_of(R"({"a":1,"a":3})").kind, Kind::kRefused);
  EXPECT_TRUE(parsed(R"({"a":{"a":1},"b":{"a":1}})")) << "different objects";
}

TEST(StrictJson, NestingHasALimit) {
  EXPECT_TRUE(parsed("[[1]]", 2));
  EXPECT_EQ(fault_of("[[[1]]]", 2).message, "nested deeper than 2 levels");
  EXPECT_EQ(fault_of(std::string(100'000, '['), 4).message, "nested deeper than 4 levels");
}

}  // namespace
}  // namespace gateway
