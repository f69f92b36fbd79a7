#include "gateway/config/config_writer.h"

#include <cstdlib>
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
