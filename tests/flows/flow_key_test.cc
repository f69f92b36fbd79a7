#include "flows/flow_key.h"

#include <array>
#include <tuple>
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

// ---- ICMP ----

FlowKey icmp_key(Protocol protocol, std::uint8_t type) {
  FlowKey key = some_key();
  key.source.port = key.destination.port = base::Port{77};
  key.protocol = protocol;
  key.icmp_type = type;
  return key;
}

TEST(FlowKeyOfIcmp, OnlyTheAnswerComesBack) {
  for (const auto& [protocol, question, answer] :
       {std::tuple{Protocol::kIcmp, 8, 0}, std::tuple{Protocol::kIcmp, 13, 14},
        std::tuple{Protocol::kIcmpv6, 128, 129}}) {
    const FlowKey asked = icmp_key(protocol, static_cast<std::uint8_t>(question));
    EXPECT_EQ(asked.reversed().icmp_type, answer);
    EXPECT_EQ(compare(asked, asked.reversed()), SameFlow::kReversed);
    for (int type = 0; type < 256; ++type) {
      FlowKey other = asked;
      other.icmp_type = static_cast<std::uint8_t>(type);
      FlowKey back = asked.reversed();
      back.icmp_type = other.icmp_type;
      EXPECT_EQ(compare(asked, other) == SameFlow::kSameWay, type == question) << type;
      EXPECT_EQ(compare(asked, back) == SameFlow::kReversed, type == answer) << type;
    }
  }
}

TEST(FlowKeyOfIcmp, NothingComesBackOnAnAnswerNorWhereNoneIsAskedFor) {
  for (const std::uint8_t type : std::to_array<std::uint8_t>({0, 9, 14})) {
    const FlowKey key = icmp_key(Protocol::kIcmp, type);
    EXPECT_EQ(compare(key, key.reversed()), SameFlow::kNo) << int{type};
  }
  EXPECT_EQ(compare(icmp_key(Protocol::kIcmp, 0), icmp_key(Protocol::kIcmp, 8).reversed()),
            SameFlow::kNo);
}

TEST(FlowKeyOfIcmp, BothEndsMayAskWithTheSameIdentifier) {
  const FlowKey asked = icmp_key(Protocol::kIcmp, 8);
  FlowKey asks_too = asked.reversed();
  asks_too.icmp_type = 8;
  EXPECT_EQ(compare(asked, asks_too), SameFlow::kNo);
}

}  // namespace
}  // namespace flows
