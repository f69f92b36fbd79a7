#include "gateway/log.h"

#include <algorithm>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/log_control.h"
#include "gateway/log_limits.h"
#include "gateway/log_value.h"

namespace gateway {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
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

TEST(LogValue, IsQuotedWhereItWouldNotBeOneWord) {
  EXPECT_EQ(log_value("/run/liftgate.sock"), "/run/liftgate.sock");
  EXPECT_EQ(log_value(""), "\"\"");
  EXPECT_EQ(log_value("no such file"), "\"no such file\"");
  EXPECT_EQ(log_value("a=b"), "\"a=b\"");
  EXPECT_EQ(log_value("did you mean \"rules\"?"), R"("did you mean \"rules\"?")");
  EXPECT_EQ(log_value(R"(a\b)"), R"("a\\b")");
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

constexpr base::Instant kStart{std::chrono::hours(1)};

TEST(LogLimits, LetABurstThroughThenSoManyASecond) {
  constexpr const char* kFormat = "tunnel refused reason={} uid={}";
  LogLimits limits;
  std::uint64_t written = 0;
  for (int i = 0; i < 10'000; ++i) {  // a thousand a second
    written += limits.admits(kFormat, kStart + i * 1ms) ? 1U : 0U;
  }
  EXPECT_EQ(written, 100u + 200u - 1u);
  EXPECT_TRUE(limits.admits("tunnel opened tunnel={}", kStart + 10s)) << "another kind";
}

TEST(LogLimits, TellHowManyWereLeftOutOfEachKind) {
  LogLimits limits;
  for (int i = 0; i < 105; ++i) {
    limits.admits("tunnel refused reason={} uid={}", kStart);
    limits.admits("{}", kStart);
  }
  EXPECT_TRUE(limits.has_any());
  auto told = limits.take(kStart + 1s);
  std::ranges::sort(told, {}, &LogLimits::LeftOut::like);
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].like, "");
  EXPECT_EQ(told[1].like, "tunnel refused");
  EXPECT_EQ(told[0].lines + told[1].lines, 10u);
  EXPECT_FALSE(limits.has_any());
}

TEST(LogLimits, TellOfAKindAtMostOnceASecond) {
  constexpr const char* kFormat = "hook failed hook={}";
  LogLimits limits;
  const auto flood = [&](base::Instant now) {
    for (int i = 0; i < 200; ++i) {
      limits.admits(kFormat, now);
    }
  };
  flood(kStart);
  EXPECT_EQ(limits.take(kStart).size(), 1u);
  flood(kStart + 250ms);
  EXPECT_TRUE(limits.take(kStart + 250ms).empty());
  EXPECT_TRUE(limits.has_any()) << "it is still to be told";
  const auto told = limits.take(kStart + 1s);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].lines, 195u) << "five had become free meanwhile";
}

TEST_F(LogToStderr, FloodIsBoundedAndSaid) {
  testing::internal::CaptureStderr();
  for (int i = 0; i < 500; ++i) {
    log_warn("flood of a peer number={}", i);
  }
  tell_of_left_out_lines(base::Clock::now());
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_LE(std::ranges::count(text, '\n'), 140);
  EXPECT_THAT(text, HasSubstr(" warn log lines were left out lines="));
  EXPECT_THAT(text, HasSubstr("like=\"flood of a peer\"\n"));
}

TEST_F(LogToStderr, LevelIsSetWhileItRuns) {
  set_log_level(LogLevel::kDebug);
  EXPECT_EQ(log_level(), LogLevel::kDebug);
  EXPECT_TRUE(log_enabled(LogLevel::kDebug));
  EXPECT_EQ(log_level_named("warn"), LogLevel::kWarn);
  EXPECT_FALSE(log_level_named("loud"));
}

}  // namespace
}  // namespace gateway
