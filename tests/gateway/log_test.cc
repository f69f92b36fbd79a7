#include "gateway/log.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gateway {
namespace {

using std::chrono_literals::operator""ms;
using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;
using Format = LogSettings::Format;

const std::chrono::system_clock::time_point kTime(1'700'000'000'042ms);

// Every byte there is, and then half a UTF-8 character.
std::string all_bytes() {
  std::string bytes;
  for (int code = 0; code < 256; ++code) {
    bytes += static_cast<char>(code);
  }
  return bytes + "\xe2\x82";
}

class LogToStderr : public testing::Test {
 protected:
  void TearDown() override { configure_log({}); }
};

TEST(LogLine, TextIsTimeLevelMessage) {
  EXPECT_EQ(log_line(Format::kText, LogLevel::kWarn, kTime, "tunnel closed tunnel=3"),
            "2023-11-14T22:13:20.042Z warn tunnel closed tunnel=3");
}

TEST(LogLine, TimeBeforeTheEpochIsRoundedDown) {
  EXPECT_EQ(
      log_line(Format::kText, LogLevel::kInfo, std::chrono::system_clock::time_point(-1ms), ""),
      "1969-12-31T23:59:59.999Z info ");
}

TEST(LogLine, TextHasNoControlCharacterOfTheMessage) {
  EXPECT_THAT(log_line(Format::kText, LogLevel::kInfo, kTime, "a\nb\x1b[31m\x7f€"),
              EndsWith("info a?b?[31m?€"));
}

TEST(LogLine, JsonIsOneObject) {
  EXPECT_EQ(log_line(Format::kJson, LogLevel::kError, kTime, "said \"no\""),
            R"({"time":"2023-11-14T22:13:20.042Z","level":"error","message":"said \"no\""})");
}

TEST(LogLine, JsonIsValidForAnyBytes) {
  const std::string line = log_line(Format::kJson, LogLevel::kInfo, kTime, all_bytes());
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto parsed = nlohmann::json::parse(line);
  EXPECT_THAT(parsed.at("message").get<std::string>(), HasSubstr(std::string("\x01\x02", 2)));
}

TEST_F(LogToStderr, WritesFormattedLinesWithoutColourToAFile) {
  testing::internal::CaptureStderr();
  log_info("flow opened flow={} inside={}", 17, "10.64.0.2:40000");
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              MatchesRegex("[-0-9]+T[:.0-9]+Z info flow opened flow=17 inside=10.64.0.2:40000\n"));
}

TEST_F(LogToStderr, LevelDecidesBeforeAnythingIsFormatted) {
  configure_log({.format = Format::kText, .level = LogLevel::kError});
  testing::internal::CaptureStderr();
  log_warn("not written");
  log_error("written");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), EndsWith("error written\n"));
  EXPECT_FALSE(log_enabled(LogLevel::kWarn));
}

TEST_F(LogToStderr, JsonOnRequest) {
  configure_log({.format = Format::kJson, .level = LogLevel::kDebug});
  testing::internal::CaptureStderr();
  log_debug("{}", all_bytes());
  const auto line = nlohmann::json::parse(testing::internal::GetCapturedStderr());
  EXPECT_EQ(line.at("level"), "debug");
}

}  // namespace
}  // namespace gateway
