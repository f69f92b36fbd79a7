#include "gateway/log_limits.h"

#include <utility>

namespace gateway {
namespace {

// "tunnel refused" of "tunnel refused reason={} uid={}".
std::string first_words(std::string_view format) {
  std::string_view words = format.substr(0, format.find('{'));
  if (words.ends_with('=')) {
    const std::size_t space = words.rfind(' ');
    words = words.substr(0, space == std::string_view::npos ? 0 : space);
  }
  return std::string(words);
}

}  // namespace

bool LogLimits::admits(std::string_view format, base::Instant now) {
  Kind& kind = kinds_[format.data()];
  kind.format = format;
  if (kind.bucket.take(now)) {
    return true;
  }
  ++kind.left_out;
  any_ = true;
  return false;
}

std::vector<LogLimits::LeftOut> LogLimits::take(base::Instant now) {
  std::vector<LeftOut> all;
  bool some_wait = false;
  for (auto& [place, kind] : kinds_) {
    if (kind.left_out == 0) {
      continue;
    }
    if (now - kind.told < kTellEvery) {
      some_wait = true;
      continue;
    }
    kind.told = now;
    all.push_back({first_words(kind.format), std::exchange(kind.left_out, 0)});
  }
  any_ = some_wait;
  return all;
}

}  // namespace gateway
