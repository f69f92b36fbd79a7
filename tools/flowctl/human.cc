#include "tools/flowctl/human.h"

#include <array>
#include <string_view>

namespace flowctl {
namespace {

std::string two_digits(std::uint64_t value) {
  return (value < 10 ? "0" : "") + std::to_string(value);
}

}  // namespace

std::string human_bytes(std::uint64_t bytes) {
  static constexpr std::array<std::string_view, 6> kUnits = {" KiB", " MiB", " GiB",
                                                             " TiB", " PiB", " EiB"};
  if (bytes < 1024) {
    return std::to_string(bytes) + " B";
  }
  std::size_t unit = 0;
  while (bytes >= 1024 * 1024 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  const std::uint64_t whole = bytes / 1024;
  std::string text = std::to_string(whole);
  if (whole < 10) {
    text += "." + std::to_string(bytes % 1024 * 10 / 1024);
  }
  return text.append(kUnits[unit]);
}

std::string human_duration(std::uint64_t milliseconds) {
  const std::uint64_t seconds = milliseconds / 1000;
  const std::uint64_t minutes = seconds / 60;
  const std::uint64_t hours = minutes / 60;
  const std::uint64_t days = hours / 24;
  if (days > 0) {
    return std::to_string(days) + "d" + two_digits(hours % 24) + "h";
  }
  if (hours > 0) {
    return std::to_string(hours) + "h" + two_digits(minutes % 60) + "m";
  }
  if (minutes > 0) {
    return std::to_string(minutes) + "m" + two_digits(seconds % 60) + "s";
  }
  return seconds > 0 ? std::to_string(seconds) + "s" : std::to_string(milliseconds) + "ms";
}

}  // namespace flowctl
