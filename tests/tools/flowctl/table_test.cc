#include "tools/flowctl/table.h"

#include <gtest/gtest.h>

namespace flowctl {
namespace {

const std::vector<Column> kColumns = {{"ID", true}, {"NAME"}, {"UP", true}};

TEST(Table, ColumnsLineUp) {
  EXPECT_EQ(table_text(kColumns, {{{"7"}, {"laptop"}, {"1"}}, {{"1000"}, {"é"}, {"22222"}}}, false),
            "  ID  NAME       UP\n"
            "   7  laptop      1\n"
            "1000  é       22222\n");
}

TEST(Table, ColoursDoNotMoveTheColumns) {
  EXPECT_EQ(table_text({{"A"}, {"B"}}, {{{"x", Style::kGood}, {"y"}}}, true),
            "\x1b[1mA\x1b[0m  \x1b[1mB\x1b[0m\n"
            "\x1b[32mx\x1b[0m  y\n");
}

TEST(Table, WithoutColoursHasNoEscapes) {
  const std::string text = table_text({{"A"}}, {{{"x", Style::kBad}}}, false);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(Table, CellWiderThanMeasuredIsShownWhole) {
  Table table(kColumns, false);
  table.measure({{"1"}, {"short"}, {"2"}});
  std::string text;
  table.print(text, {{"1"}, {"longer than that"}, {"2"}});
  EXPECT_EQ(text, " 1  longer than that   2\n");
}

TEST(Facts, ValuesLineUp) {
  EXPECT_EQ(facts_text({{"id", "17"}, {"tenant", "acme"}}, false),
            "id      17\n"
            "tenant  acme\n");
}

}  // namespace
}  // namespace flowctl
