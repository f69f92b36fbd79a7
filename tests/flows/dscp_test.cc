#include "flows/dscp.h"

#include <gtest/gtest.h>

namespace flows {
namespace {

TEST(Dscp, NamesAreThoseOfTheirRfcs) {
  EXPECT_EQ(parse_dscp("cs1"), Dscp{8});
  EXPECT_EQ(parse_dscp("af11"), Dscp{10});
  EXPECT_EQ(parse_dscp("af41"), Dscp{34});
  EXPECT_EQ(parse_dscp("ef"), Dscp{46});
  EXPECT_EQ(parse_dscp("va"), Dscp{44});
  EXPECT_EQ(parse_dscp("le"), Dscp{1});
  EXPECT_EQ(parse_dscp("cs0"), Dscp{0});
}

TEST(Dscp, EveryCodePointReadsAsItIsWritten) {
  for (std::uint8_t value = 0; value <= kMostDscp; ++value) {
    EXPECT_EQ(parse_dscp(dscp_text(Dscp{value})), Dscp{value});
    EXPECT_EQ(parse_dscp(std::to_string(value)), Dscp{value});
  }
  EXPECT_EQ(dscp_text(Dscp{5}), "5");
  for (const std::string_view name : dscp_names()) {
    EXPECT_EQ(dscp_text(*parse_dscp(name)), name);
  }
}

TEST(Dscp, OthersAreNone) {
  for (const char* text : {"", "64", "-1", "EF", "af44", "cs8", "4 6", "0x2e", "256"}) {
    EXPECT_EQ(parse_dscp(text), std::nullopt) << text;
  }
}

TEST(Dscp, FieldHasItInTheUpperSixBits) {
  EXPECT_EQ(ds_field(Dscp{46}), 0xb8);
  EXPECT_EQ(ds_field(Dscp{63}), 0xfc);
}

}  // namespace
}  // namespace flows
