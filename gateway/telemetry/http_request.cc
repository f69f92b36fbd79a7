#include "gateway/telemetry/http_request.h"

#include <algorithm>

#include "base/ip_address.h"

namespace gateway {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

char lower(char letter) {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + ('a' - 'A')) : letter;
}

bool is_same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t";
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
  return text.substr(0, text.find_last_not_of(kBlank) + 1);
}

// RFC 9110 5.5. A lone CR or LF is a line's end to some who read it, and to others is not.
bool is_field_value(std::string_view text) {
  return std::ranges::none_of(text, [](char letter) {
    return (letter >= '\0' && letter < ' ' && letter != '\t') || letter == '\x7f';
  });
}

// False: it is no value, or the header is there twice, which is nobody's honest request.
bool take(std::string_view value, std::string_view& into) {
  if (into.data() != nullptr || !is_field_value(value)) {
    return false;
  }
  into = value;
  return true;
}

bool read_headers(std::string_view lines, HttpRequest& request) {
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find(kLineEnd), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + kLineEnd.size(), lines.size()));
    if (line.empty()) {
      return true;  // what follows is no header
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) {
      continue;
    }
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = trimmed(line.substr(colon + 1));
    if ((is_same_word(name, "host") && !take(value, request.host)) ||
        (is_same_word(name, "authorization") && !take(value, request.authorization))) {
      return false;
    }
    if (is_same_word(name, "accept") && request.accept.empty() && is_field_value(value)) {
      request.accept = value;
    }
  }
  return true;
}

// What is before the next `separator`, trimmed; `text` is what follows then.
std::string_view take_until(char separator, std::string_view& text) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = trimmed(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

// RFC 9110 12.4.2: "1", "0.5", "0.125"; what is none counts as not wanted.
unsigned thousandths(std::string_view text) {
  const bool is_one = text.starts_with('1');
  if (!is_one && !text.starts_with('0')) {
    return 0;
  }
  unsigned value = is_one ? 1000 : 0;
  unsigned place = 100;
  if (text.size() > 1 && text[1] != '.') {
    return 0;
  }
  for (const char digit : text.substr(std::min<std::size_t>(2, text.size()))) {
    if (digit < '0' || digit > '9' || place == 0) {
      return 0;
    }
    value += place * static_cast<unsigned>(digit - '0');
    place /= 10;
  }
  return std::min(value, 1000U);
}

}  // namespace

std::optional<HttpRequest> read_http_request(std::string_view head) {
  const std::string_view line = head.substr(0, head.find(kLineEnd));
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (line.size() == head.size() || first == std::string_view::npos || last == first) {
    return std::nullopt;
  }
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  const bool is_method = !method.empty() && std::ranges::all_of(method, [](char letter) {
    return letter >= 'A' && letter <= 'Z';
  });
  const bool is_target = target.starts_with('/') && std::ranges::all_of(target, [](char letter) {
                           return letter > ' ' && letter < '\x7f';
                         });
  if (!is_method || !is_target || (version != "HTTP/1.1" && version != "HTTP/1.0")) {
    return std::nullopt;
  }
  const std::size_t question = std::min(target.find('?'), target.size());
  HttpRequest request{.method = method,
                      .path = target.substr(0, question),
                      .query = target.substr(std::min(question + 1, target.size())),
                      .host = {},
                      .authorization = {},
                      .accept = {}};
  if (!read_headers(head.substr(line.size() + kLineEnd.size()), request)) {
    return std::nullopt;
  }
  return request;
}

std::optional<std::string_view> query_value(std::string_view query, std::string_view key) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) == key) {
      return pair.substr(std::min(equals + 1, pair.size()));
    }
  }
  return std::nullopt;
}

unsigned wanted_thousandths(std::string_view accept, std::string_view type,
                            std::string_view version) {
  while (!accept.empty()) {
    std::string_view range = take_until(',', accept);
    bool is_meant = is_same_word(take_until(';', range), type);
    unsigned wanted = 1000;
    while (!range.empty()) {
      std::string_view value = take_until(';', range);
      const std::string_view name = take_until('=', value);
      if (is_same_word(name, "version")) {
        is_meant = is_meant && trimmed(value) == version;
      } else if (is_same_word(name, "q")) {
        wanted = thousandths(trimmed(value));
      }
    }
    if (is_meant) {
      return wanted;
    }
  }
  return 0;
}

bool is_host_an_address(std::string_view host) {
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos) {
      return false;
    }
    const std::string_view rest = host.substr(end + 1);
    const auto address = base::IpAddress::parse(host.substr(1, end - 1));
    return (rest.empty() || rest.starts_with(':')) && address.has_value();
  }
  const std::string_view name = host.substr(0, host.find(':'));
  return is_same_word(name, "localhost") || base::IpAddress::parse(name).has_value();
}

}  // namespace gateway
