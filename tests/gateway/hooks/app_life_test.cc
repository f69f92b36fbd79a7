#include "gateway/hooks/app_life.h"

#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace gateway {
namespace {

std::vector<std::string> happened;  // in their order, by the app below

struct Wish {
  std::string wish;  // of the test

  void describe(hooks::SettingVisitor& /*v*/) {}
  friend bool operator==(const Wish&, const Wish&) = default;
};

class Process final : public hooks::ProcessHooks,
                      public hooks::Start,
                      public hooks::Reload,
                      public hooks::Stop {
 public:
  explicit Process(const Wish& settings) : wish_(settings.wish) {
    if (wish_ == "throw in the constructor") {
      throw std::runtime_error("no such wish");
    }
  }
  hooks::Refusal start(const hooks::GatewayStart& start) override {
    happened.push_back("start " + std::to_string(start.shards));
    if (wish_ == "throw in start") {
      throw std::runtime_error("not today");
    }
    return wish_ == "refuse" ? hooks::Refusal("not ready") : std::nullopt;
  }
  hooks::Refusal reload(const hooks::GatewayReload& reload) override {
    const std::string& wish = reload.settings.as<Wish>()->wish;
    return wish == "refuse" ? hooks::Refusal("never") : std::nullopt;
  }
  void stop() override { happened.emplace_back("stop"); }

 private:
  std::string wish_;
};

class Shard final : public hooks::ShardHooks {
 public:
  Shard(const Wish& /*settings*/, const hooks::ShardPlace& place, Process& /*process*/)
      : place_(place) {
    happened.push_back("shard " + std::to_string(place.index));
  }
  ~Shard() override { happened.push_back("end of shard " + std::to_string(place_.index)); }

 private:
  hooks::ShardPlace place_;
};

class AppLifeTest : public testing::Test {
 protected:
  AppLifeTest() { happened.clear(); }
  auto begin(const std::string& wish) {
    Settings settings;
    settings.app = hooks::AppSection::of(Wish{.wish = wish});
    return AppLife::begin(app_, settings, 2);
  }

  hooks::AppOf<Wish, Shard, Process> app_{{.name = "test"}};
};

TEST_F(AppLifeTest, MakesAnObjectForEachShardAndStopsLast) {
  {
    auto life = begin("");
    ASSERT_TRUE(life);
    const auto first = (*life)->take_shard(0);
    EXPECT_NE(first, nullptr);
  }
  EXPECT_EQ(happened, (std::vector<std::string>{"shard 0", "shard 1", "start 2", "end of shard 0",
                                                "end of shard 1", "stop"}));
}

TEST_F(AppLifeTest, DoesNotBeginWhatTheAppRefusesOrThrowsAt) {
  EXPECT_EQ(begin("refuse").error().message(), "test: not ready");
  EXPECT_EQ(begin("throw in the constructor").error().message(), "test: no such wish");
  EXPECT_EQ(begin("throw in start").error().message(), "test: its hook start has failed");
}

TEST_F(AppLifeTest, AsksTheAppBeforeSettingsAreTakenOver) {
  auto life = begin("");
  ASSERT_TRUE(life);
  EXPECT_EQ((*life)->refuses(hooks::AppSection::of(Wish{})), std::nullopt);
  EXPECT_EQ((*life)->refuses(hooks::AppSection::of(Wish{.wish = "refuse"})), "never");
}

}  // namespace
}  // namespace gateway
