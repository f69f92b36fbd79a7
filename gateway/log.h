// Log: one line per fact, to stderr: log_info("flow opened flow={} inside={}", id, endpoint).
//
// The level is tested before anything is formatted, so a line that is switched off costs one load.
// spdlog is behind log.cc: its header costs every file that includes it seconds of compiling.
// Anything a remote peer can trigger at line rate is a counter, not a line.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

#include "gateway/config/settings.h"

namespace gateway {

using LogLevel = LogSettings::Level;

/// Until it is called: text, from kInfo up. Any thread, at any time.
void configure_log(const LogSettings& settings);

namespace log_detail {
extern std::atomic<LogLevel> lowest;
void write(LogLevel level, fmt::string_view format, fmt::format_args arguments);
}  // namespace log_detail

[[nodiscard]] inline bool log_enabled(LogLevel level) {
  return level >= log_detail::lowest.load(std::memory_order_relaxed);
}

template <class... Args>
void log_at(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(level)) {
    log_detail::write(level, format, fmt::make_format_args(args...));
  }
}

/// An operator must act.
template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log_at<Args...>(LogLevel::kError, format, std::forward<Args>(args)...);
}
/// Degraded but working.
template <class... Args>
void log_warn(fmt::format_string<Args...> format, Args&&... args) {
  log_at<Args...>(LogLevel::kWarn, format, std::forward<Args>(args)...);
}
/// Once per life event of the daemon.
template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_at<Args...>(LogLevel::kInfo, format, std::forward<Args>(args)...);
}
/// Per flow.
template <class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log_at<Args...>(LogLevel::kDebug, format, std::forward<Args>(args)...);
}

/// The line as it is written, without its end: whatever bytes `message` has, the line is one line,
/// and as JSON it is valid.
std::string log_line(LogSettings::Format format, LogLevel level,
                     std::chrono::system_clock::time_point time, std::string_view message);

}  // namespace gateway
