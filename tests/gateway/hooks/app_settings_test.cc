// An app's settings in the gateway's own file.
#include "gateway/hooks/app_settings.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/config/config_loader.h"
#include "gateway/config/config_writer.h"

namespace gateway {
namespace {

using hooks::AppSection;
using testing::HasSubstr;

struct EveryKind {
  bool flag = true;
  std::uint32_t count = 7;
  std::chrono::nanoseconds pause = std::chrono::seconds(10);
  std::string text = "two words: #1";
  base::Endpoint to = *base::Endpoint::parse("127.0.0.1:80");
  std::vector<std::string> words = {"a", "b c"};
  std::vector<base::IpPrefix> prefixes = {*base::IpPrefix::parse("10.0.0.0/8")};

  void describe(hooks::SettingVisitor& v) {
    v.value("flag", flag, "Whether.");
    v.value("count", count, "How many.\nIn all.");
    v.value("pause", pause, "");
    v.value("text", text, "");
    v.value("to", to, "");
    v.list("words", words, "");
    v.list("prefixes", prefixes, "");
    v.rule_out(count == 0, "count", "none is too few");
  }
  friend bool operator==(const EveryKind&, const EveryKind&) = default;
};

std::string problem_with(const std::string& text) {
  const auto loaded = load_config(text, "f", AppSection::of(EveryKind{}));
  return loaded ? "" : loaded.error().front().to_string();
}

TEST(AppSettings, DefaultsAreWrittenWithTheirCommentsAndLoadBack) {
  const auto app = AppSection::of(EveryKind{});
  const std::string config = default_config(app);
  EXPECT_THAT(config, HasSubstr("\napp:\n  # Whether.\n  flag: true\n"));
  EXPECT_THAT(config, HasSubstr("  # How many.\n  # In all.\n  count: 7\n  pause: 10s\n"));
  const auto loaded = load_config(config, "default", app);
  ASSERT_TRUE(loaded) << loaded.error().front().to_string();
  EXPECT_EQ(*loaded->app.as<EveryKind>(), EveryKind{});
}

TEST(AppSettings, AreReadFromTheFile) {
  const auto loaded = load_config("app: {flag: false, pause: 250ms, words: [x], to: \"[::1]:9\"}",
                                  "f", AppSection::of(EveryKind{}));
  ASSERT_TRUE(loaded);
  const EveryKind& settings = *loaded->app.as<EveryKind>();
  EXPECT_FALSE(settings.flag);
  EXPECT_EQ(settings.count, 7U);
  EXPECT_EQ(settings.pause, std::chrono::milliseconds(250));
  EXPECT_EQ(settings.words, std::vector<std::string>{"x"});
  EXPECT_EQ(settings.to.to_string(), "[::1]:9");
}

TEST(AppSettings, MistakesAreSaidWithTheirPlace) {
  EXPECT_EQ(problem_with("app: {coun: 1}"),
            "f:1:7: app.coun: unknown key, did you mean \"count\"?");
  EXPECT_THAT(problem_with("app:\n  pause: 10"), HasSubstr("f:2:10: app.pause: "));
  EXPECT_EQ(problem_with("app: {count: 0}"), "f:1:7: app.count: none is too few");
}

TEST(AppSettings, AreUnknownToPlainLiftgate) {
  const auto loaded = load_config("app: {count: 1}", "f");
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().front().to_string(), HasSubstr("app: unknown key"));
}

struct None {
  void describe(hooks::SettingVisitor& /*visitor*/) {}
  friend bool operator==(const None&, const None&) = default;
};

TEST(AppSettings, AreAValue) {
  const AppSection one = AppSection::of(EveryKind{});
  AppSection other = one;
  EXPECT_EQ(one, other);
  EveryKind changed;
  changed.count = 8;
  other = AppSection::of(changed);
  EXPECT_NE(one, other);
  EXPECT_NE(one, AppSection());
  EXPECT_EQ(one.as<EveryKind>()->count, 7U);
  EXPECT_EQ(one.as<None>(), nullptr);
}

}  // namespace
}  // namespace gateway
