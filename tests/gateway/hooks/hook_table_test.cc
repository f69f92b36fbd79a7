#include "gateway/hooks/hook_table.h"

#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/hooks/app.h"
#include "gateway/hooks/table_text.h"

namespace gateway::hooks {
namespace {

using testing::HasSubstr;

TEST(HookTable, TellsDecisionsFromEventsByTheirTypes) {
  EXPECT_EQ(info(HookId::kFlowDecide).kind, HookKind::kDecision);
  EXPECT_EQ(info(HookId::kFlowEnd).kind, HookKind::kEvent);
  EXPECT_EQ(info(HookId::kIngressDecide).kind, HookKind::kDecision);
  EXPECT_EQ(info(HookId::kIngressClose).kind, HookKind::kEvent);
}

TEST(HookTable, SaysOfEachHookWhenItRunsAndWhatFollowsWithoutIt) {
  std::set<std::string_view> names;
  for (const HookInfo& hook : kHooks) {
    EXPECT_TRUE(names.insert(hook.name).second) << hook.name;
    EXPECT_FALSE(hook.when.empty()) << hook.name;
    EXPECT_FALSE(hook.absent.empty()) << hook.name;
    EXPECT_FALSE(hook.may_block && hook.thread == HookThread::kShard) << hook.name;
  }
}

TEST(HookTable, OfPlainLiftgateNamesEveryHook) {
  const auto table = nlohmann::json::parse(table_json(nullptr));
  ASSERT_EQ(table.at("hooks").size(), kHookCount);
  const std::string text = table_text(nullptr);
  for (const HookInfo& hook : kHooks) {
    EXPECT_THAT(text, HasSubstr("\n" + std::string(hook.name) + " "));
  }
  EXPECT_EQ(table.at("hooks").at(0).at("name"), "start");
  EXPECT_EQ(table.at("hooks").at(0).at("kind"), "decision");
  EXPECT_FALSE(table.at("hooks").at(0).contains("present"));
}

struct NoSettings {
  void describe(SettingVisitor& /*visitor*/) {}
  friend bool operator==(const NoSettings&, const NoSettings&) = default;
};
struct Ends final : ShardHooks, FlowEnd {
  void flow_end(const FlowEnded& /*ended*/) override {}
};
struct Decides final : ShardHooks, FlowDecide {
  FlowRuling flow_decide(const FlowStart& /*start*/) override { return {}; }
};
struct Stops final : ProcessHooks, Stop {
  void stop() override {}
};

TEST(HookTable, OfAnAppSaysWhichHooksItHas) {
  const AppOf<NoSettings, Ends, Stops> app({.name = "app"});
  const auto table = nlohmann::json::parse(table_json(&app));
  std::set<std::string> present;
  for (const auto& hook : table.at("hooks")) {
    if (hook.at("present")) {
      present.insert(hook.at("name"));
    }
  }
  EXPECT_EQ(present, (std::set<std::string>{"flow_end", "stop"}));
  EXPECT_THAT(table_text(&app), HasSubstr("shard    app\n"));
}

TEST(HookTable, SaysThatTheRulesAreAnAppOfOneHookToo) {
  const AppOf<NoSettings, Decides, ProcessHooks> app({.name = "app"});
  for (const App* of : {static_cast<const App*>(nullptr), static_cast<const App*>(&app)}) {
    const auto table = nlohmann::json::parse(table_json(of));
    for (const auto& hook : table.at("hooks")) {
      const bool decides = hook.at("name") == "flow_decide";
      EXPECT_EQ(hook.at("apps"), !decides        ? nlohmann::json::array()
                                 : of == nullptr ? nlohmann::json({"rules"})
                                                 : nlohmann::json({"rules", "app"}))
          << hook;
    }
  }
}

// After a change to the table: the test's message is the new section.
TEST(HookTable, IsWhatTheReadmeOfTheExamplesSays) {
  std::ifstream file(LIFTGATE_SOURCE_ROOT "/examples/README.md");
  const std::string readme{std::istreambuf_iterator<char>(file), {}};
  EXPECT_TRUE(readme.find(table_markdown()) != std::string::npos)
      << "examples/README.md is to contain:\n\n"
      << table_markdown();
}

}  // namespace
}  // namespace gateway::hooks
