#include "gateway/flow/flow_lists.h"

#include <algorithm>
#include <array>
#include <deque>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace gateway {
namespace {

using flows::FlowIndex;

std::vector<std::uint32_t> walk(const FlowLists& lists, const FlowList& list) {
  std::vector<std::uint32_t> seen;
  lists.for_each(list, [&](FlowIndex flow) { seen.push_back(number(flow)); });
  return seen;
}

TEST(FlowLists, NewListIsEmpty) {
  const FlowLists lists(4);
  const FlowList list;
  EXPECT_EQ(list.size, 0U);
  EXPECT_EQ(FlowLists::oldest(list), std::nullopt);
  EXPECT_TRUE(walk(lists, list).empty());
}

TEST(FlowLists, FlowsMayLeaveWhileTheyAreVisited) {
  FlowLists lists(8);
  FlowList list;
  for (std::uint32_t i = 0; i < 8; ++i) {
    lists.add(list, FlowIndex{i});
  }
  std::uint32_t visited = 0;
  lists.for_each(list, [&](FlowIndex flow) {
    ++visited;
    if (number(flow) % 2 == 0) {
      lists.remove(list, flow);
    }
  });
  EXPECT_EQ(visited, 8U);
  EXPECT_EQ(walk(lists, list), (std::vector<std::uint32_t>{1, 3, 5, 7}));
}

TEST(FlowLists, DoWhatPlainListsDoWhateverHappens) {
  constexpr std::uint32_t kFlows = 50;
  FlowLists lists(kFlows);
  std::array<FlowList, 4> tested;
  std::array<std::deque<std::uint32_t>, 4> model;
  std::vector<std::size_t> is_in(kFlows, model.size());  // that: in none
  std::mt19937 dice(7);                                  // the same each time
  for (int step = 0; step < 50'000; ++step) {
    const auto flow = static_cast<std::uint32_t>(dice() % kFlows);
    const std::size_t to = dice() % (model.size() + 1);
    if (const std::size_t from = is_in[flow]; from < model.size()) {
      lists.remove(tested[from], FlowIndex{flow});
      std::erase(model[from], flow);
    }
    if (to < model.size()) {
      lists.add(tested[to], FlowIndex{flow});
      model[to].push_back(flow);
    }
    is_in[flow] = to;
    const std::size_t looked_at = dice() % model.size();
    ASSERT_EQ(tested[looked_at].size, model[looked_at].size()) << step;
    ASSERT_TRUE(std::ranges::equal(walk(lists, tested[looked_at]), model[looked_at])) << step;
  }
}

}  // namespace
}  // namespace gateway
