#include "gateway/hooks/hook_runner.h"

#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include "gateway/hooks/app.h"

namespace gateway::hooks {
namespace {

struct Moody final : ShardHooks, IngressDecide, FlowEnd {
  IngressRuling ingress_decide(const IngressStart& start) override {
    if (start.flow.name == "throw") {
      throw std::runtime_error("bad mood\nand a second line");
    }
    if (start.flow.name == "throw a number") {
      throw 17;
    }
    return IngressRuling::kBlock;
  }
  void flow_end(const FlowEnded& /*ended*/) override {
    ++ended;
    throw std::runtime_error("bad mood");
  }

  int ended = 0;
};

class HookRunnerTest : public testing::Test {
 protected:
  HookRunnerTest() { runner_.set_object(hooks_); }
  IngressRuling ask(std::uint64_t flow, std::string_view name) {
    return runner_.ask<&IngressDecide::ingress_decide>(flow, IngressRuling::kAllow,
                                                       start_of(flow, name));
  }
  IngressStart start_of(std::uint64_t flow, std::string_view name) {
    return {.flow = {.id = flow,
                     .tenant = "acme",
                     .tenant_id = 1,
                     .tunnel = {},
                     .protocol = flows::Protocol::kTcp,
                     .source = {},
                     .destination = {},
                     .name = name,
                     .context = context_},
            .upstream = {}};
  }

  ContextSlot context_;
  Moody hooks_;
  HookTrace trace_{2};
  HookRunner runner_{trace_};
};

TEST_F(HookRunnerTest, GivesTheAnswerOfTheHook) {
  EXPECT_EQ(ask(1, ""), IngressRuling::kBlock);
}

TEST_F(HookRunnerTest, GivesTheDefaultWhereThereIsNoHook) {
  HookRunner none(trace_);
  EXPECT_EQ(none.ask<&IngressDecide::ingress_decide>(1, IngressRuling::kAllow, start_of(1, "")),
            IngressRuling::kAllow);
  EXPECT_FALSE(none.has<IngressDecide>());
  EXPECT_TRUE(runner_.has<IngressDecide>());
}

TEST_F(HookRunnerTest, CountsAHookThatThrowsAndTakesTheDefault) {
  EXPECT_EQ(ask(1, "throw"), IngressRuling::kAllow);
  EXPECT_EQ(ask(1, "throw a number"), IngressRuling::kAllow);
  EXPECT_EQ(runner_.failures(HookId::kIngressDecide), 2U);
  runner_.tell<&FlowEnd::flow_end>(1, FlowEnded{.flow = start_of(1, "").flow,
                                                .action = {},
                                                .rule = {},
                                                .reason = {},
                                                .up = {},
                                                .down = {},
                                                .age = {}});
  EXPECT_EQ(hooks_.ended, 1);
  EXPECT_EQ(runner_.failures(HookId::kFlowEnd), 1U);
  runner_.count_failure(HookId::kEgressDecide);
  EXPECT_EQ(runner_.all_failures(), 4U);
}

TEST_F(HookRunnerTest, TraceHasTheCallsOfAFlowInTheirOrder) {
  ask(0, "");  // a flow without an id yet
  trace_.adopt(7);
  ask(7, "throw");
  const HookTrace::FlowCalls* calls = trace_.find(7);
  ASSERT_NE(calls, nullptr);
  ASSERT_EQ(calls->count, 2U);
  EXPECT_EQ(calls->calls[0].answer(), "block");
  EXPECT_FALSE(calls->calls[0].failed);
  EXPECT_TRUE(calls->calls[1].failed);
  EXPECT_GE(calls->calls[1].at, calls->calls[0].at);
}

TEST_F(HookRunnerTest, TraceKeepsTheLatestFlows) {
  for (std::uint64_t flow = 1; flow <= 3; ++flow) {
    ask(flow, "");
  }
  EXPECT_EQ(trace_.find(1), nullptr);
  EXPECT_NE(trace_.find(2), nullptr);
  EXPECT_NE(trace_.find(3), nullptr);
}

TEST_F(HookRunnerTest, TraceCountsCallsThatItHasNoRoomFor) {
  for (std::size_t i = 0; i < HookTrace::kMostCalls + 5; ++i) {
    ask(1, "");
  }
  EXPECT_EQ(trace_.find(1)->count, HookTrace::kMostCalls + 5);
}

TEST(HookTrace, ForgetsWhatWaitedForAFlowThatWasNotOpened) {
  HookTrace trace(2);
  trace.add(0, {.hook = HookId::kFlowDecide});
  trace.begin();
  trace.adopt(1);
  EXPECT_EQ(trace.find(1), nullptr);
}

TEST(ContextSlot, GivesBackOnlyTheTypeThatItHolds) {
  ContextSlot slot;
  EXPECT_TRUE(slot.is_empty());
  slot.emplace<std::string>("session");
  EXPECT_EQ(*slot.get<std::string>(), "session");
  EXPECT_EQ(slot.get<int>(), nullptr);
  slot.emplace<int>(3);
  EXPECT_EQ(slot.get<std::string>(), nullptr);
}

}  // namespace
}  // namespace gateway::hooks
