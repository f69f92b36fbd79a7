#include "flows/flow_key.h"

#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace flows {
namespace {

FlowKey some_key() {
  return {.source = {base::IpAddress::parse("2001:db8::1").value(), base::Port{40000}},
          .destination = {base::IpAddress::parse("2001:db8::2").value(), base::Port{443}},
          .tenant = 7,
          .protocol = Protocol::kTcp};
}

TEST(FlowKey, IsOfTheSameFlowInEitherDirection) {
  const FlowKey key = some_key();
  EXPECT_EQ(compare(key, key), SameFlow::kSameWay);
  EXPECT_EQ(compare(key, key.reversed()), SameFlow::kReversed);
  EXPECT_EQ(compare(key.reversed(), key), SameFlow::kReversed);
}

TEST(FlowKey, IsItsOwnReverseWhereBothEndsAreOne) {
  FlowKey key = some_key();
  key.destination = key.source;
  EXPECT_EQ(compare(key, key.reversed()), SameFlow::kSameWay);
}

TEST(FlowKey, EveryByteOfItCounts) {
  const FlowKey key = some_key();
  std::vector<FlowKey> others(7, key);
  others[0].source.address = base::IpAddress::parse("2001:db9::1").value();
  others[1].source.address = base::IpAddress::parse("2001:db8::3").value();
  others[2].destination.address = base::IpAddress::parse("2001:db8::102").value();
  others[3].source.port = base::Port{40001};
  others[4].destination.port = base::Port{444};
  others[5].tenant = 7U << 24U;
  others[6].protocol = Protocol::kUdp;
  for (const FlowKey& other : others) {
    EXPECT_EQ(compare(key, other), SameFlow::kNo);
    EXPECT_EQ(compare(key, other.reversed()), SameFlow::kNo);
  }
}

TEST(FlowKey, CrossedPortsAreAnotherFlow) {
  FlowKey crossed = some_key();
  std::swap(crossed.source.port, crossed.destination.port);
  EXPECT_EQ(compare(some_key(), crossed), SameFlow::kNo);
  EXPECT_EQ(compare(some_key(), crossed.reversed()), SameFlow::kNo);
}

}  // namespace
}  // namespace flows
