#include "gateway/policy/pattern.h"

#include <cstddef>

namespace gateway {

// The last `*` takes one character more whenever what is behind it does not fit; an earlier one
// never has to, so this is quadratic at worst.
bool matches_pattern(std::string_view pattern, std::string_view text) {
  std::size_t at = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_text = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      star_text = i;
    } else if (at < pattern.size() && pattern[at] == text[i]) {
      ++at;
      ++i;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      i = ++star_text;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

bool matches_host(std::string_view pattern, std::string_view host) {
  if (!pattern.starts_with('*')) {
    return host == pattern;
  }
  const std::string_view domain = pattern.substr(1);  // with its dot
  return !host.empty() && host.size() > domain.size() && host.ends_with(domain);
}

}  // namespace gateway
