#include "gateway/upgrade/last_askers.h"

#include <gtest/gtest.h>

#include "tests/support/addresses.h"

namespace gateway {
namespace {

using base::Endpoint;
using flows::FlowIndex;

const Endpoint kUpstream = test_support::endpoint("192.0.2.1:53");
const Endpoint kAnother = test_support::endpoint("192.0.2.1:54");
constexpr FlowIndex kFirst{7}, kSecond{3}, kThird{5};

class LastAskersTest : public testing::Test {
 protected:
  LastAskersTest() {
    for (const FlowIndex flow : {kFirst, kSecond, kThird}) {
      askers_.add(flow, kUpstream);
    }
  }

  LastAskers askers_;
};

TEST_F(LastAskersTest, TheOneThatCameLastHasAskedLast) {
  EXPECT_EQ(askers_.last_of(kUpstream), kThird);
}

TEST_F(LastAskersTest, OneThatAsksAgainIsTheLast) {
  askers_.ask(kFirst);
  EXPECT_EQ(askers_.last_of(kUpstream), kFirst);
  askers_.ask(kFirst);
  EXPECT_EQ(askers_.last_of(kUpstream), kFirst);
}

TEST_F(LastAskersTest, WhenItLeavesTheOneThatAskedBeforeItIsTheLast) {
  askers_.ask(kFirst);
  askers_.remove(kFirst);
  EXPECT_EQ(askers_.last_of(kUpstream), kThird);
  askers_.remove(kSecond);
  EXPECT_EQ(askers_.last_of(kUpstream), kThird);
  askers_.remove(kThird);
  EXPECT_EQ(askers_.last_of(kUpstream), std::nullopt);
  EXPECT_TRUE(askers_.empty());
}

TEST_F(LastAskersTest, UpstreamsHaveNothingToDoWithEachOther) {
  EXPECT_EQ(askers_.last_of(kAnother), std::nullopt);
  constexpr FlowIndex kOther{8};
  askers_.add(kOther, kAnother);
  askers_.ask(kSecond);
  EXPECT_EQ(askers_.last_of(kAnother), kOther);
  EXPECT_EQ(askers_.last_of(kUpstream), kSecond);
}

TEST_F(LastAskersTest, FlowsThatAreNotHereChangeNothing) {
  constexpr FlowIndex kUnknown{9};
  askers_.ask(kUnknown);
  askers_.remove(kUnknown);
  EXPECT_EQ(askers_.last_of(kUpstream), kThird);
}

TEST_F(LastAskersTest, IndexIsAnotherFlowsAfterwards) {
  askers_.remove(kThird);
  askers_.add(kThird, kAnother);
  EXPECT_EQ(askers_.last_of(kUpstream), kSecond);
  EXPECT_EQ(askers_.last_of(kAnother), kThird);
}

}  // namespace
}  // namespace gateway
