#include "tools/flowctl/rates.h"

#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/support/test_gateway.h"
#include "tools/flowctl/top_screen.h"
#include "tools/flowctl/top_table.h"

namespace flowctl {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// A gateway of this process, and somebody who looks at it twice.
class RatesTest : public testing::Test {
 protected:
  std::uint64_t add(const std::string& source) {
    return gateway_.add_flow(source, "192.0.2.1:443",
                             [&](flows::Flow& flow) { flow.created_ns = now_; });
  }
  flows::Flow& flow(std::uint64_t id) {
    flows::FlowIndex found{};
    gateway_.table.for_each(
        [&](flows::FlowIndex index) { found = gateway_.table[index].id == id ? index : found; });
    return gateway_.table[found];
  }
  void look(Grouping grouping = Grouping::kFlow, const std::string& filter = "") {
    meter_.look(listing_, gateway::FlowFilter::parse(std::vector{filter}).value(), grouping, now_);
    now_ += 2 * kSecond;
  }
  static FlowListing listing_of(const base::Fd& region) {
    auto listing = FlowListing::open(
        std::span(&region, 1),
        NameBook({{1, "acme"}, {2, "umbrella"}}, {{4, "laptop-17"}}, {{0, "web"}}));
    CHECK(listing.has_value());
    return std::move(listing).value();
  }
  std::vector<std::uint64_t> order(RateOrder by, bool ascending = false) {
    std::vector<std::uint64_t> keys;
    for (const RateRow& row : meter_.rows(by, ascending)) {
      keys.push_back(row.key);
    }
    return keys;
  }

  std::int64_t now_ = 100 * kSecond;
  test_support::TestGateway gateway_;
  FlowListing listing_ = listing_of(gateway_.flow_region());
  RateMeter meter_;
};

TEST_F(RatesTest, AreDifferencesOverTheTimeBetween) {
  const auto id = add("10.0.0.1:1");
  flow(id).up = {.packets = 100, .bytes = 100'000};
  look();
  EXPECT_EQ(meter_.rows(RateOrder::kRate).at(0).up.bits, 0);  // it may have taken an hour
  flow(id).up = {.packets = 110, .bytes = 101'000};
  flow(id).down = {.packets = 4, .bytes = 500};
  look();
  const RateRow row = meter_.rows(RateOrder::kRate).at(0);
  EXPECT_EQ(row.up.bits, 8 * 1'000 / 2);
  EXPECT_EQ(row.up.packets, 5);
  EXPECT_EQ(row.down.bits, 8 * 500 / 2);
  EXPECT_EQ(row.bytes, 101'500U);
  EXPECT_EQ(meter_.totals().up.bits, row.up.bits);
  EXPECT_EQ(meter_.history(id), (std::vector<double>{4'000 + 2'000}));
}

TEST_F(RatesTest, NewFlowCountsFromItsBeginningAndOneThatOnlyMatchesNowDoesNot) {
  const auto old = add("10.0.0.1:1");
  flow(old).up.bytes = 1'000;
  look(Grouping::kFlow, "source=10.0.0.2");
  const auto fresh = add("10.0.0.2:1");
  flow(fresh).up.bytes = 1'000;
  look();
  EXPECT_EQ(order(RateOrder::kRate), (std::vector{fresh, old}));
  EXPECT_EQ(meter_.rows(RateOrder::kRate).at(0).up.bits, 4'000);
  EXPECT_EQ(meter_.rows(RateOrder::kRate).at(1).up.bits, 0);
}

TEST_F(RatesTest, GroupsAddUp) {
  const auto one = add("10.0.0.1:1");
  const auto two = add("10.0.0.1:2");
  look(Grouping::kTunnel);
  flow(one).up.bytes = 500;
  flow(two).up.bytes = 1'500;
  look(Grouping::kTunnel);
  const auto rows = meter_.rows(RateOrder::kRate);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].key, 4U);
  EXPECT_EQ(rows[0].flows, 2U);
  EXPECT_EQ(rows[0].up.bits, 8'000);
  const TopTable table = top_table(rows, Grouping::kTunnel, meter_, listing_, 0, false);
  EXPECT_EQ(table.rows.at(0).at(0).text, "laptop-17");
}

TEST_F(RatesTest, OrderIsByValueThenByIdWhateverTheTable) {
  const auto one = add("10.0.0.1:1");
  const auto two = add("10.0.0.1:2");
  const auto three = add("10.0.0.1:3");
  look();
  flow(one).up.bytes = 10;
  flow(two).down = {.packets = 9, .bytes = 30};
  flow(three).up.bytes = 10;
  look();
  EXPECT_EQ(order(RateOrder::kRate), (std::vector{two, one, three}));
  EXPECT_EQ(order(RateOrder::kRate, true), (std::vector{one, three, two}));
  EXPECT_EQ(order(RateOrder::kUp), (std::vector{one, three, two}));
  EXPECT_EQ(order(RateOrder::kId), (std::vector{one, two, three}));
  EXPECT_EQ(order(RateOrder::kPackets), (std::vector{two, one, three}));
}

TEST_F(RatesTest, WhatHasEndedIsForgotten) {
  const auto id = add("10.0.0.1:1");
  look();
  flow(id).up.bytes = 10;
  look();
  EXPECT_EQ(meter_.history(id).size(), 1U);
  (void)gateway_.kill_flow(id);
  look();
  EXPECT_TRUE(meter_.rows(RateOrder::kRate).empty());
  EXPECT_TRUE(meter_.history(id).empty());
}

TEST(HumanRate, HasThreeCharactersAndAUnit) {
  EXPECT_EQ(human_rate(0), "0");
  EXPECT_EQ(human_rate(999.4), "999");
  EXPECT_EQ(human_rate(999.6), "1.0k");
  EXPECT_EQ(human_rate(12'345), "12k");
  EXPECT_EQ(human_rate(999'600), "1.0M");
  EXPECT_EQ(human_rate(1.25e9), "1.3G");
  EXPECT_EQ(human_rate(2e16), "20P");
  EXPECT_EQ(human_rate(2e18), "2000P");
}

TEST(Sparkline, ShowsTheLastValuesAgainstTheHighest) {
  const std::vector<double> values = {100, 0, 1, 50, 100};
  EXPECT_EQ(sparkline(values, 4, false), " .-#");
  EXPECT_EQ(sparkline(values, 7, true), "  █ ▁▄█");
  EXPECT_EQ(sparkline({}, 3, true), "   ");
}

// ---- The screen ----

class TopScreenTest : public RatesTest {
 protected:
  void press(std::string_view keys) {
    for (const Key& key : keys_in(keys)) {
      wish_ = screen_.handle(key);
    }
  }
  std::vector<std::string> shown(ScreenSize size = {.columns = 120, .rows = 10}) {
    const auto rows = meter_.rows(screen_.order(), screen_.ascending());
    const auto window = screen_.scroll(rows, size);
    const TopTable table = top_table(std::span(rows).subspan(window.first, window.count),
                                     screen_.grouping(), meter_, listing_, 8, false);
    std::vector<std::string> text;
    selected_.clear();
    for (const ScreenLine& line : screen_.lines(table, meter_.totals(), size)) {
      text.push_back(line.text);
      selected_ = line.style == LineStyle::kSelected ? line.text : selected_;
    }
    return text;
  }

  TopScreen screen_{Grouping::kFlow, RateOrder::kId, ""};
  TopScreen::Wish wish_{};
  std::string selected_;  // the line that shown() has found selected
};

TEST_F(TopScreenTest, FillsTheScreenExactly) {
  for (int port = 1; port <= 30; ++port) {
    add("10.0.0.1:" + std::to_string(port));
  }
  look();
  for (const ScreenSize size : {ScreenSize{120, 10}, ScreenSize{20, 5}, ScreenSize{3, 1}}) {
    const auto lines = shown(size);
    EXPECT_EQ(lines.size(), size.rows);
    for (const std::string& line : lines) {
      EXPECT_LE(line.size(), size.columns);
    }
  }
  EXPECT_EQ(shown().at(0).substr(0, 25), "liftgate top  30 flows  u");
  EXPECT_NE(shown().at(2).find("SOURCE"), std::string::npos);
  EXPECT_NE(shown().at(3).find("10.0.0.1:1 "), std::string::npos);
}

TEST_F(TopScreenTest, SelectionStaysWithItsFlowAndScrolls) {
  std::vector<std::uint64_t> ids;
  for (int port = 1; port <= 30; ++port) {
    ids.push_back(add("10.0.0.1:" + std::to_string(port)));
  }
  look();
  shown();
  press("\x1b[B\x1b[B");
  shown();
  EXPECT_NE(selected_.find("10.0.0.1:3 "), std::string::npos);
  (void)gateway_.kill_flow(ids[0]);
  look();
  shown();
  EXPECT_NE(selected_.find("10.0.0.1:3 "), std::string::npos);
  press("\x1b[4~");
  shown();
  EXPECT_NE(selected_.find("10.0.0.1:30 "), std::string::npos);
  press("\x1b[1~");
  shown();
  EXPECT_NE(selected_.find("10.0.0.1:2 "), std::string::npos);
}

TEST_F(TopScreenTest, KillAsksFirstAndMeansTheFlowThatWasSelectedThen) {
  const auto one = add("10.0.0.1:1");
  add("10.0.0.1:2");
  look();
  shown();
  press("k");
  EXPECT_NE(shown().back().find("Kill flow " + std::to_string(one)), std::string::npos);
  press("n");
  EXPECT_EQ(wish_, TopScreen::Wish::kNothing);
  EXPECT_EQ(shown().back(), "Not killed.");
  press("k");
  (void)gateway_.kill_flow(one);
  look();
  shown();
  press("y");
  EXPECT_EQ(wish_, TopScreen::Wish::kKill);
  EXPECT_EQ(screen_.flow_to_kill(), one);
}

TEST_F(TopScreenTest, OnlyFlowsAreKilled) {
  add("10.0.0.1:1");
  press("t");
  EXPECT_EQ(wish_, TopScreen::Wish::kGrouping);
  look(screen_.grouping());
  EXPECT_NE(shown().at(3).find("acme"), std::string::npos);
  press("ky");
  EXPECT_NE(wish_, TopScreen::Wish::kKill);
}

TEST_F(TopScreenTest, FilterIsTypedAndAcceptedOrGivenUp) {
  press("/tenant=acmee\x7f");
  EXPECT_EQ(shown().back(), "filter: tenant=acme_");
  press("\r");
  EXPECT_EQ(wish_, TopScreen::Wish::kFilter);
  EXPECT_EQ(screen_.typed(), "tenant=acme");
  screen_.accept_filter();
  EXPECT_NE(shown().at(1).find("only tenant=acme"), std::string::npos);
  press("/x");
  press("\x1b");
  EXPECT_NE(shown().at(1).find("only tenant=acme"), std::string::npos);
}

TEST_F(TopScreenTest, SortReversePauseHelpAndQuit) {
  press("sr p");
  EXPECT_EQ(screen_.order(), RateOrder::kRate);  // the one after id
  EXPECT_TRUE(screen_.ascending());
  EXPECT_FALSE(screen_.is_paused());  // twice
  press("h");
  EXPECT_NE(shown({.columns = 100, .rows = 30}).at(3).find("flows, tenants"), std::string::npos);
  press("q");  // ends the help only
  EXPECT_EQ(wish_, TopScreen::Wish::kNothing);
  press("q");
  EXPECT_EQ(wish_, TopScreen::Wish::kQuit);
  press("\x03");
  EXPECT_EQ(wish_, TopScreen::Wish::kQuit);
}

TEST(Frame, StylesWholeLinesAndColoursOnlyWhereWanted) {
  EXPECT_EQ(frame_of({{"a", LineStyle::kHeader}, {"b", LineStyle::kFaint}}, false),
            "\x1b[H\x1b[1ma\x1b[0m\x1b[K\r\nb\x1b[K\x1b[J");
  EXPECT_EQ(frame_of({{"b", LineStyle::kAlert}}, true), "\x1b[H\x1b[1;31mb\x1b[0m\x1b[K\x1b[J");
  EXPECT_EQ(clipped("a█b", 2), "a█");
}

}  // namespace
}  // namespace flowctl
