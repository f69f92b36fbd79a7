#include "flows/dscp.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace flows {
namespace {

struct Named {
  std::string_view name;
  std::uint8_t number;
};

// CS: RFC 2474 4.2.2; AF: RFC 2597 6; EF: RFC 3246 2.7; VA: RFC 5865 2.3; LE: RFC 8622 4.
constexpr std::array kNamed = {
    Named{"cs0", 0},   Named{"le", 1},    Named{"cs1", 8},   Named{"af11", 10}, Named{"af12", 12},
    Named{"af13", 14}, Named{"cs2", 16},  Named{"af21", 18}, Named{"af22", 20}, Named{"af23", 22},
    Named{"cs3", 24},  Named{"af31", 26}, Named{"af32", 28}, Named{"af33", 30}, Named{"cs4", 32},
    Named{"af41", 34}, Named{"af42", 36}, Named{"af43", 38}, Named{"cs5", 40},  Named{"va", 44},
    Named{"ef", 46},   Named{"cs6", 48},  Named{"cs7", 56}};

}  // namespace

std::string dscp_text(Dscp dscp) {
  const auto* named = std::ranges::find(kNamed, number(dscp), &Named::number);
  return named != kNamed.end() ? std::string(named->name) : std::to_string(number(dscp));
}

std::optional<Dscp> parse_dscp(std::string_view text) {
  const auto* named = std::ranges::find(kNamed, text, &Named::name);
  if (named != kNamed.end()) {
    return Dscp{named->number};
  }
  std::uint8_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_number = failed == std::errc() && end == text.data() + text.size();
  return is_number && value <= kMostDscp ? std::optional(Dscp{value}) : std::nullopt;
}

std::vector<std::string_view> dscp_names() {
  std::vector<std::string_view> names;
  names.reserve(std::size(kNamed));
  for (const Named& named : kNamed) {
    names.push_back(named.name);
  }
  return names;
}

}  // namespace flows
