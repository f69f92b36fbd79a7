#include "gateway/log.h"

#include <cstdio>
#include <ctime>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include "base/check.h"
#include "base/utf8.h"
#include "gateway/log_control.h"
#include "gateway/log_limits.h"
#include "gateway/log_value.h"

namespace gateway {

std::atomic<LogLevel> log_detail::lowest = LogLevel::kInfo;

namespace {

using SystemTime = std::chrono::system_clock::time_point;

std::atomic<LogSettings::Format> chosen_format = LogSettings::Format::kText;

// The lines that are left out, and how many they are.
struct Limits {
  std::mutex mutex;
  LogLimits limits;
  std::atomic<bool> has_any = false;
};
Limits& left_out() {
  static Limits& made = *new Limits;  // never destroyed, as the logger
  return made;
}

bool admits(LogLevel level, fmt::string_view format) {
  if (level == LogLevel::kTrace) {
    return true;
  }
  Limits& all = left_out();
  const std::scoped_lock lock(all.mutex);
  const bool admitted = all.limits.admits({format.data(), format.size()}, base::Clock::now());
  all.has_any.store(all.limits.has_any(), std::memory_order_relaxed);
  return admitted;
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return spdlog::level::trace;
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  base::check_failed("level is a LogLevel", __FILE__, __LINE__);
}

LogLevel our_level(spdlog::level::level_enum level) {
  for (const LogLevel ours :
       {LogLevel::kTrace, LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn}) {
    if (spdlog_level(ours) == level) {
      return ours;
    }
  }
  return LogLevel::kError;
}

// RFC 3339, UTC, milliseconds.
std::string rfc3339(SystemTime time) {
  const auto since_epoch = time.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
  const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch - seconds);
  const std::time_t number = seconds.count();
  std::tm utc{};
  ::gmtime_r(&number, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     rest.count());
}

std::string json_line(LogLevel level, SystemTime time, std::string_view message) {
  nlohmann::ordered_json line;
  line["time"] = rfc3339(time);
  line["level"] = log_level_name(level);
  line["message"] = message;
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

class LineFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const auto format = chosen_format.load(std::memory_order_relaxed);
    const LogLevel level = our_level(message.level);
    const std::string line =
        log_line(format, level, message.time, {message.payload.data(), message.payload.size()});
    if (format == LogSettings::Format::kText) {
      message.color_range_start = rfc3339(message.time).size() + 1;
      message.color_range_end = message.color_range_start + log_level_name(level).size();
    }
    out.append(line.data(), line.data() + line.size());
    out.push_back('\n');
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<LineFormatter>();
  }
};

// Never destroyed: lines may be written while the process ends. The sink colours terminals only.
spdlog::logger& logger() {
  static spdlog::logger& made = []() -> spdlog::logger& {
    auto* fresh = new spdlog::logger("", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    fresh->set_level(spdlog::level::trace);  // log_enabled() has decided before us
    fresh->set_formatter(std::make_unique<LineFormatter>());
    return *fresh;
  }();
  return made;
}

}  // namespace

void log_detail::write(LogLevel level, fmt::string_view format, fmt::format_args arguments) {
  if (!admits(level, format)) {
    return;
  }
  try {
    logger().log(spdlog_level(level), spdlog::string_view_t(fmt::vformat(format, arguments)));
  } catch (const std::exception& why) {
    std::fprintf(stderr, "log line lost: %s\n", why.what());
  }
}

void configure_log(const LogSettings& settings) {
  chosen_format.store(settings.format, std::memory_order_relaxed);
  log_detail::lowest.store(settings.level, std::memory_order_relaxed);
}

std::string_view log_level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return "trace";
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  base::check_failed("level is a LogLevel", __FILE__, __LINE__);
}

std::optional<LogLevel> log_level_named(std::string_view name) {
  for (const LogLevel level :
       {LogLevel::kTrace, LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError}) {
    if (log_level_name(level) == name) {
      return level;
    }
  }
  return std::nullopt;
}

LogLevel log_level() {
  return log_detail::lowest.load(std::memory_order_relaxed);
}

void set_log_level(LogLevel level) {
  log_detail::lowest.store(level, std::memory_order_relaxed);
}

void tell_of_left_out_lines(base::Instant now) {
  Limits& all = left_out();
  if (!all.has_any.load(std::memory_order_relaxed)) {
    return;
  }
  std::vector<LogLimits::LeftOut> told;
  {
    const std::scoped_lock lock(all.mutex);
    told = all.limits.take(now);
    all.has_any.store(all.limits.has_any(), std::memory_order_relaxed);
  }
  for (const LogLimits::LeftOut& one : told) {
    log_warn("log lines were left out lines={} like={}", one.lines, LogValue{one.like});
  }
}

std::string log_line(LogSettings::Format format, LogLevel level, SystemTime time,
                     std::string_view message) {
  if (format == LogSettings::Format::kJson) {
    return json_line(level, time, message);
  }
  // A line stays one line, and a terminal obeys nothing that a peer sent us.
  return fmt::format("{} {} {}", rfc3339(time), log_level_name(level), base::printable(message));
}

}  // namespace gateway
