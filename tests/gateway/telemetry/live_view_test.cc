#include "gateway/telemetry/live_view.h"

#include <gtest/gtest.h>

#include "tests/support/test_gateway.h"

namespace gateway {
namespace {

using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;

class LiveViewTest : public testing::Test {
 protected:
  std::uint64_t add(std::uint16_t port, std::uint64_t bytes) {
    return source_.add_flow("100.64.0.2:" + std::to_string(port), "192.0.2.1:443",
                            [&](flows::Flow& flow) { flow.down = {1, bytes}; });
  }
  void carry(std::uint64_t id, std::uint64_t bytes) {
    source_.table.for_each([&](flows::FlowIndex index) {
      if (source_.table[index].id == id) {
        source_.table[index].down.bytes += bytes;
      }
    });
  }
  [[nodiscard]] std::vector<std::uint64_t> ids(FlowOrder order) const {
    std::vector<std::uint64_t> ids;
    for (const LiveView::SeenFlow& seen : view_.flows(order)) {
      ids.push_back(seen.flow.id);
    }
    return ids;
  }

  test_support::TestGateway source_;
  LiveView view_{source_};
  const base::Instant start_ = base::Clock::now();
};

TEST_F(LiveViewTest, RatesAreDifferencesOfLooks) {
  const std::uint64_t id = add(4000, 5'000'000);
  view_.refresh(start_);
  ASSERT_EQ(view_.flows(FlowOrder::kRate).size(), 1U);
  EXPECT_EQ(view_.flows(FlowOrder::kRate)[0].down.bits, 0);  // nobody knows yet
  carry(id, 1'000'000);
  view_.refresh(start_ + 2s);
  EXPECT_EQ(view_.interval_ns(), 2'000'000'000);
  EXPECT_DOUBLE_EQ(view_.flows(FlowOrder::kRate)[0].down.bits, 4e6);
  EXPECT_DOUBLE_EQ(view_.flows(FlowOrder::kRate)[0].up.bits, 0);
}

TEST_F(LiveViewTest, AFlowThatBeganSinceCountsFromItsBeginning) {
  view_.refresh(start_);
  add(4000, 1000);
  view_.refresh(start_ + 1s);
  EXPECT_DOUBLE_EQ(view_.flows(FlowOrder::kRate).at(0).down.bits, 8000);
}

TEST_F(LiveViewTest, EachOrderHasItsFirst) {
  const std::uint64_t large = add(4000, 1'000'000);
  const std::uint64_t busy = add(4001, 10);
  const std::uint64_t newest = add(4002, 20);
  view_.refresh(start_);
  carry(busy, 500);
  view_.refresh(start_ + 1s);
  EXPECT_EQ(ids(FlowOrder::kRate).at(0), busy);
  EXPECT_EQ(ids(FlowOrder::kBytes), (std::vector{large, busy, newest}));
  EXPECT_EQ(ids(FlowOrder::kNewest).at(0), newest);
}

TEST_F(LiveViewTest, KeepsTheFirstOfMany) {
  std::uint64_t largest = 0;
  for (std::uint16_t i = 0; i < 500; ++i) {
    const std::uint64_t id = add(static_cast<std::uint16_t>(1000 + i), (i * 7919U) % 500);
    largest = (i * 7919U) % 500 == 499 ? id : largest;
  }
  view_.refresh(start_);
  const auto& kept = view_.flows(FlowOrder::kBytes);
  ASSERT_EQ(kept.size(), LiveView::kMostFlows);
  EXPECT_EQ(kept.front().flow.id, largest);
  EXPECT_EQ(kept.back().flow.down.bytes, 500 - LiveView::kMostFlows);
  EXPECT_EQ(view_.flow_count(), 500U);
}

TEST_F(LiveViewTest, LooksOnceASecondHoweverManyAsk) {
  view_.refresh(start_);
  add(4000, 1);
  view_.refresh(start_ + 500ms);
  EXPECT_EQ(view_.flow_count(), 0U);
  view_.refresh(start_ + 1s);
  EXPECT_EQ(view_.flow_count(), 1U);
}

TEST_F(LiveViewTest, WhenNobodyHasAskedForLongItBeginsAnew) {
  const std::uint64_t id = add(4000, 1);
  view_.refresh(start_);
  carry(id, 1000);
  view_.refresh(start_ + LiveView::kForgetAfter);
  EXPECT_EQ(view_.interval_ns(), 0);
  EXPECT_EQ(view_.flows(FlowOrder::kRate).at(0).down.bits, 0);
}

}  // namespace
}  // namespace gateway
