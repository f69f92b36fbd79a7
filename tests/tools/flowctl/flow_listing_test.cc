// Two flow regions, as of a gateway of two workers, listed as one.
#include "tools/flowctl/flow_listing.h"

#include <unistd.h>

#include <array>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/test_gateway.h"

namespace flowctl {
namespace {

using testing::ElementsAre;

class FlowListingTest : public testing::Test {
 protected:
  FlowListingTest() {
    std::vector<base::Fd> regions;
    for (const test_support::TestGateway* shard : {&first_, &second_}) {
      regions.push_back(base::Fd::adopt(::dup(shard->flow_region().get())));
    }
    auto opened =
        FlowListing::open(regions, NameBook({{1, "acme"}}, {{4, "laptop"}}, {{0, "web"}}));
    CHECK(opened.has_value());
    listing_.emplace(std::move(opened).value());
  }
  std::vector<std::uint64_t> listed(const std::vector<std::string>& filter = {}) {
    const auto parsed = gateway::FlowFilter::parse(filter).value();
    std::vector<std::uint64_t> ids;
    listing_->for_each(listing_->select(parsed, 0), parsed, 0,
                       [&](const flows::Flow& flow, const gateway::FlowNames&) {
                         ids.push_back(flow.id);
                         return true;
                       });
    return ids;
  }

  test_support::TestGateway first_{100, 0};
  test_support::TestGateway second_{100, 1};
  std::optional<FlowListing> listing_;
};

TEST_F(FlowListingTest, FlowsOfAllRegionsAreListedInTheOrderOfTheirIds) {
  const auto c = second_.add_flow("10.0.0.1:1", "192.0.2.1:443");
  const auto a = first_.add_flow("10.0.0.1:1", "192.0.2.1:443");
  const auto d = second_.add_flow("10.0.0.2:1", "192.0.2.1:443");
  EXPECT_NE(a, c) << "the same addresses, on two workers";
  EXPECT_THAT(listed(), ElementsAre(a, c, d));
  EXPECT_THAT(listed({"source=10.0.0.2"}), ElementsAre(d));
}

TEST_F(FlowListingTest, FlowIsFoundInTheRegionThatItsIdSays) {
  first_.add_flow("10.0.0.1:1", "192.0.2.1:443");
  const auto id = second_.add_flow("10.0.0.9:1", "192.0.2.1:443");
  EXPECT_EQ(listing_->find(id)->key.source.to_string(), "10.0.0.9:1");
  EXPECT_EQ(listing_->find(id + 1), std::nullopt);
  EXPECT_EQ(listing_->find(flows::first_flow_id(2)), std::nullopt);
}

TEST_F(FlowListingTest, WhatHasGoneSinceIsPassedOver) {
  const auto id = second_.add_flow("10.0.0.1:1", "192.0.2.1:443");
  const auto parsed = gateway::FlowFilter::parse({}).value();
  const auto selected = listing_->select(parsed, 0);
  ASSERT_EQ(selected.size(), 1U);
  EXPECT_TRUE(listing_->at(selected[0]));
  (void)second_.kill_flow(id);
  second_.add_flow("10.0.0.2:1", "192.0.2.1:443");  // in its place
  EXPECT_EQ(listing_->at(selected[0]), std::nullopt);
}

}  // namespace
}  // namespace flowctl
