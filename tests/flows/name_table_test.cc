#include "flows/name_table.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace flows {
namespace {

HostName host(std::string_view label) {
  HostName name;
  EXPECT_TRUE(name.append_label(label));
  return name;
}

class NameTableTest : public testing::Test {
 protected:
  // What another process would read.
  std::string read(NameIndex index) {
    const auto name = read_name(records_[static_cast<std::size_t>(index)]);
    return name ? std::string(name->text()) : "nothing";
  }

  std::vector<NameRecord> records_{3};
  NameTable table_{records_};
};

TEST_F(NameTableTest, AReaderFindsWhatWasWritten) {
  HostName name;
  name.append_label("www");
  name.append_label("Example");
  name.append_label("org");
  const auto index = table_.use(name);
  ASSERT_TRUE(index);
  EXPECT_EQ(read(*index), "www.example.org");
  EXPECT_EQ(table_.text(*index), "www.example.org");
}

TEST_F(NameTableTest, ANameIsThereOnce) {
  EXPECT_EQ(table_.use(host("one")), table_.use(host("one")));
  EXPECT_EQ(table_.size(), 1U);
}

TEST_F(NameTableTest, ANameIsThereUntilTheLastUserHasReleasedIt) {
  const auto one = table_.use(host("one"));
  ASSERT_EQ(table_.use(host("one")), one);
  table_.release(*one);
  EXPECT_EQ(table_.use(host("one")), one);
  table_.release(*one);
  table_.release(*one);
  EXPECT_NE(table_.use(host("one")), one) << "its record rests";
}

TEST_F(NameTableTest, WhenAllAreInUseThereIsNoMore) {
  const auto one = table_.use(host("one"));
  table_.use(host("two"));
  table_.use(host("three"));
  EXPECT_FALSE(table_.use(host("four")));
  table_.use(*one);
  table_.release(*one);
  EXPECT_FALSE(table_.use(host("four"))) << "one is still in use";
  table_.release(*one);
  const auto four = table_.use(host("four"));
  ASSERT_TRUE(four);
  EXPECT_EQ(*four, *one);
  EXPECT_EQ(read(*four), "four");
}

TEST_F(NameTableTest, AReleasedRecordGoesToOneNameOnly) {
  const auto one = table_.use(host("one"));
  const auto two = table_.use(host("two"));
  table_.use(host("three"));
  table_.release(*one);
  table_.release(*two);
  EXPECT_EQ(table_.use(host("four")), one);
  EXPECT_EQ(table_.use(host("five")), two);
  EXPECT_FALSE(table_.use(host("six")));
}

TEST_F(NameTableTest, ARecordRestsBeforeItIsUsedAgain) {
  const auto one = table_.use(host("one"));
  table_.release(*one);
  const auto two = table_.use(host("two"));
  EXPECT_NE(*one, *two);
  EXPECT_EQ(read(*one), "one");
}

TEST_F(NameTableTest, ARecordThatHoldsNoNameIsNothing) {
  EXPECT_EQ(read(NameIndex{0}), "nothing");
  NameRecord record;
  record.length = 9999;
  EXPECT_FALSE(read_name(record));
  record.length = 4;
  EXPECT_TRUE(read_name(record)) << "whatever bytes these are: who shows them judges them";
  record.version = 1;
  EXPECT_FALSE(read_name(record)) << "under change for ever";
}

}  // namespace
}  // namespace flows
