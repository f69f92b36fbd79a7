#include "gateway/config/config_writer.h"

#include <cstdlib>
#include <random>
#include <regex>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/config/config_loader.h"
#include "gateway/config/setting_list.h"

namespace gateway {
namespace {

using testing::HasSubstr;

// As a user who takes the `#` of every sample away.
std::string with_samples(const std::string& config) {
  static const std::regex kSample("^( *)#(-|  )");
  std::istringstream lines(config);
  std::string all;
  for (std::string line; std::getline(lines, line);) {
    all += std::regex_replace(line, kSample, "$1$2") + "\n";
  }
  return all;
}

std::string problems_of(const base::Result<Settings, ConfigProblems>& loaded) {
  std::string lines;
  for (const ConfigProblem& problem : loaded.error()) {
    lines += problem.to_string() + "\n";
  }
  return lines;
}

// Counts what setting_list.h declares; its names must all be in the file.
class Names {
 public:
  template <class... Args>
  void value(std::string_view name, Args&&...) {
    all.emplace_back(name);
  }
  template <class... Args>
  void required(std::string_view name, Args&&...) {
    all.emplace_back(name);
  }
  template <class... Args>
  void required_unless(std::string_view name, Args&&...) {
    all.emplace_back(name);
  }
  template <class... Args>
  void labels(std::string_view name, Args&&...) {
    all.emplace_back(name);
  }
  template <class... Args>
  void list(std::string_view name, Args&&...) {
    all.emplace_back(name);
  }
  template <class... Args>
  void any_of(std::string_view name, Args&&...) {
    all.emplace_back(name);
  }
  template <class Part>
  void section(std::string_view name, Part& part, std::string_view) {
    all.emplace_back(name);
    describe(*this, part);
  }
  template <class Part>
  void required_section(std::string_view name, Part& part, std::string_view comment) {
    section(name, part, comment);
  }
  template <class Part>
  void optional_section(std::string_view name, std::optional<Part>& part,
                        std::string_view comment) {
    section(name, part.emplace(), comment);
  }
  template <class Part>
  void sections(std::string_view name, std::vector<Part>&, std::string_view,
                const std::vector<Part>&) {
    all.emplace_back(name);
    Part part{};
    describe(*this, part);
  }
  void later(std::string_view) {}
  void one_of(std::initializer_list<std::string_view>) {}
  void rule_out(bool, std::string_view, std::string_view) {}

  std::vector<std::string> all;
};

TEST(ConfigWriter, WhatItWritesLoadsAsTheDefaults) {
  const auto loaded = load_config(default_config(), "default");
  ASSERT_TRUE(loaded) << problems_of(loaded);
  EXPECT_EQ(*loaded, default_settings());
}

TEST(ConfigWriter, WritesTheSameBytesAgain) {
  EXPECT_EQ(default_config(), default_config());
}

TEST(ConfigWriter, WritesEverySetting) {
  Names names;
  Settings settings;
  describe(names, settings);
  ASSERT_GT(names.all.size(), 40u);
  const std::string config = default_config();
  for (const std::string& name : names.all) {
    EXPECT_THAT(config, testing::AnyOf(HasSubstr(" " + name + ":"), HasSubstr("\n" + name + ":")));
  }
}

TEST(ConfigWriter, SamplesAreValidWhenTheHashIsTakenAway) {
  const auto loaded = load_config(with_samples(default_config()), "samples");
  ASSERT_TRUE(loaded) << problems_of(loaded);
  EXPECT_EQ(loaded->rules, setting_samples::rules());
  EXPECT_EQ(loaded->onramps[0].seqpacket->allow, setting_samples::allowed_uids());
  ASSERT_EQ(loaded->onramps.size(), 2U);
  EXPECT_EQ(loaded->onramps[1], setting_samples::onramps().front());
  EXPECT_EQ(loaded->tenants[0].routes, setting_samples::routes());
}

// Settings as somebody could have written them, by the dozen.
class Dice {
 public:
  explicit Dice(std::uint32_t seed) : random_(seed) {}

  bool heads() { return roll(2) == 0; }
  std::uint32_t roll(std::uint32_t sides) { return static_cast<std::uint32_t>(random_() % sides); }
  template <class T>
  T one_of(const std::vector<T>& of) {
    return of[roll(static_cast<std::uint32_t>(of.size()))];
  }
  template <class T>
  std::vector<T> some_of(const std::vector<T>& of) {
    std::vector<T> some;
    for (const T& one : of) {
      if (roll(3) == 0) {
        some.push_back(one);
      }
    }
    return some;
  }
  template <class T>
  std::optional<T> maybe(const T& value) {
    return heads() ? std::optional(value) : std::nullopt;
  }

 private:
  std::mt19937 random_;
};

const std::vector<std::string> kTexts = {
    "a", "true", "no", "10", "a: b", "#x", "it's \"q\"", "~", "back\\slash", "ümläut", "- x", "*"};

RuleMatch any_match(Dice& dice) {
  const std::vector<RuleMatch> samples = [] {
    std::vector<RuleMatch> list;
    for (const Rule& rule : setting_samples::rules()) {
      list.push_back(rule.match);
    }
    return list;
  }();
  RuleMatch match;
  match.tenant = dice.some_of<std::string>({"acme", "null"});
  match.tunnel = dice.some_of(kTexts);
  for (const std::string& key : dice.some_of(kTexts)) {
    match.labels.push_back({key, {dice.one_of(kTexts), "x"}});
  }
  match.source = dice.one_of(samples).source;
  match.destination = dice.one_of(samples).destination;
  match.to_tunnel = dice.maybe(dice.heads());
  match.icmp_type = dice.some_of<IcmpType>({{8, 128}, {0, 129}, {3, 3}});
  match.name = dice.some_of<std::string>({"*", "*.example.com", "null", "1.2.example"});
  match.time = dice.some_of<TimeRange>({{0, 1440}, {18 * 60, 7}});
  match.days = dice.some_of<DayRange>({{0, 4}, {6, 6}, {5, 1}});
  if (!match.time.empty()) {
    match.zone.minutes_east = dice.maybe<std::int16_t>(dice.one_of<std::int16_t>({0, -90, 840}));
  }
  match.new_flows = dice.maybe(Rate{dice.roll(1'000) + 1, std::chrono::minutes(1)});
  match.open_flows = dice.maybe(dice.roll(9));
  match.bit_rate = dice.maybe(BitRate{dice.one_of<std::uint64_t>({8'000, 12'345})});
  return match;
}

Settings any_settings(std::uint32_t seed) {
  Dice dice(seed);
  Settings settings = default_settings();
  settings.workers = dice.roll(3);
  settings.tenants = {{.name = "acme", .id = 7, .sources = {}, .routes = {}},
                      {.name = "null", .id = 8, .sources = {}, .routes = {}}};
  settings.tenants[0].bandwidth = dice.maybe(BitRate{dice.one_of<std::uint64_t>({8'000, 12'345})});
  settings.tenants[0].publish =
      dice.heads() ? setting_samples::publish() : std::vector<PublishedEndpoint>{};
  settings.tenants[1].max_flows = dice.roll(100) + 1;
  for (std::uint32_t i = dice.roll(4); i > 0; --i) {
    Rule rule;
    rule.name = "rule-" + std::to_string(i);
    rule.match = any_match(dice);
    rule.action = flows::Action::kUpgrade;
    rule.redirect = dice.maybe(Redirect{*base::IpAddress::parse("::1"), base::Port{80}});
    rule.limit = dice.maybe(Rate{5, std::chrono::hours(1)});
    rule.bandwidth = dice.maybe(BitRate{1'000'000'000});
    rule.mark = dice.maybe(dice.one_of<std::uint32_t>({1, 0x17, 0xffffffff}));
    rule.dscp = dice.maybe(flows::Dscp{dice.one_of<std::uint8_t>({0, 1, 46, 63})});
    rule.log = dice.heads();
    settings.rules.push_back(rule);
  }
  if (dice.heads()) {
    settings.onramps.clear();
  }
  settings.flows.timeouts.udp = std::chrono::nanoseconds(1'000'000 + dice.roll(1'000));
  settings.audit_path = dice.heads() ? "" : "/tmp/a b/#x";
  settings.telemetry.listen = dice.maybe(*base::Endpoint::parse("[::1]:9464"));
  settings.telemetry.ipfix.collector = dice.maybe(*base::Endpoint::parse("192.0.2.7:1"));
  settings.log.level = dice.heads() ? LogSettings::Level::kWarn : LogSettings::Level::kTrace;
  settings.confine = dice.heads() ? Confine::kOff : Confine::kLog;
  return settings;
}

TEST(ConfigText, LoadsAsWhatWasWritten) {
  for (std::uint32_t seed = 0; seed < 500; ++seed) {
    const Settings settings = any_settings(seed);
    const std::string text = config_text(settings);
    const auto loaded = load_config(text, "text");
    ASSERT_TRUE(loaded) << problems_of(loaded) << text;
    ASSERT_EQ(*loaded, settings) << text;
  }
}

TEST(ConfigText, OfSamplesAndDefaultsLoadsAsTheyWere) {
  for (const std::string& config : {default_config(), with_samples(default_config())}) {
    const auto settings = load_config(config, "default");
    ASSERT_TRUE(settings) << problems_of(settings);
    const auto again = load_config(config_text(*settings), "text");
    ASSERT_TRUE(again) << problems_of(again) << config_text(*settings);
    EXPECT_EQ(*again, *settings);
  }
}

TEST(ConfigText, ShowsNoSecret) {
  const auto settings = load_config("telemetry: {token: correct-horse-battery}", "test");
  ASSERT_TRUE(settings) << problems_of(settings);
  const std::string text = config_text(*settings);
  EXPECT_EQ(text.find("correct"), std::string::npos);
  EXPECT_THAT(text, HasSubstr("\n# telemetry.token is in the file itself, and is not shown.\n"));
  EXPECT_THAT(text, HasSubstr("\n  token: \"\"\n"));
}

TEST(ConfigWriter, PathThatNeedsQuotesComesBack) {
  const char* before = std::getenv("LIFTGATE_SOCKET");
  const std::string saved = before == nullptr ? "" : before;
  ::setenv("LIFTGATE_SOCKET", "/tmp/a b: #\"c\"\\d/control.sock", 1);
  const auto loaded = load_config(default_config(), "default");
  ASSERT_TRUE(loaded) << problems_of(loaded);
  EXPECT_EQ(loaded->control_path, "/tmp/a b: #\"c\"\\d/control.sock");
  EXPECT_EQ(*loaded, default_settings());
  ::setenv("LIFTGATE_SOCKET", saved.c_str(), 1);
}

}  // namespace
}  // namespace gateway
