#include "gateway/config/setting_kinds.h"

#include <pwd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <optional>

#include <fmt/format.h>

#include "base/check.h"
#include "base/utf8.h"
#include "flows/flow_id.h"
#include "flows/host_name.h"
#include "gateway/config/secret.h"
#include "gateway/inspect/flow_json.h"
#include "gateway/onramp/tunnel_context.h"

namespace gateway {
namespace {

using base::Unexpected;
using std::chrono::nanoseconds;

constexpr std::size_t kLongestName = kMaxTenantBytes;  // what a tunnel can ask for
constexpr std::size_t kLongestUserName = 32;           // useradd(8)
constexpr std::uint32_t kLargestUid = 0xfffffffe;

std::string got(const Word& word) {
  return ", got " + in_quotes(word.text);
}

// All of `text` as a number in `base`, and nothing else.
template <class T>
std::optional<T> number_in(std::string_view text, int base = 10) {
  T value{};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || failed != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// Plain where every YAML reader takes it for text, else in quotes.
std::string yaml_text(std::string_view text) {
  static constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";
  static constexpr std::array<std::string_view, 9> kTaken = {"true", "false", "yes",  "no", "on",
                                                             "off",  "null",  "auto", "n"};
  const bool word = !text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos &&
                    kPlain.find(text.front()) < 52;
  const bool path = text.size() > 1 && text.front() == '/' &&
                    text.find_first_not_of(kPlain) == std::string_view::npos;
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  if (path || (word && std::ranges::find(kTaken, lower) == kTaken.end())) {
    return std::string(text);
  }
  std::string escaped = "\"";
  for (const char c : text) {
    escaped += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  }
  return escaped + "\"";
}

struct Unit {
  std::string_view name;
  nanoseconds length;
};
constexpr std::array kUnits = {Unit{"d", std::chrono::hours(24)},
                               Unit{"h", std::chrono::hours(1)},
                               Unit{"m", std::chrono::minutes(1)},
                               Unit{"s", std::chrono::seconds(1)},
                               Unit{"ms", std::chrono::milliseconds(1)},
                               Unit{"us", std::chrono::microseconds(1)},
                               Unit{"ns", nanoseconds(1)}};

// Empty when there is no such unit or the product does not fit.
std::optional<nanoseconds> duration_of(std::string_view digits, std::string_view unit_name) {
  const auto* unit = std::ranges::find(kUnits, unit_name, &Unit::name);
  const auto count = number_in<std::int64_t>(digits);
  nanoseconds::rep product = 0;
  if (unit == kUnits.end() || !count ||
      __builtin_mul_overflow(*count, unit->length.count(), &product)) {
    return std::nullopt;
  }
  return nanoseconds(product);
}

std::string print_duration(nanoseconds value) {
  for (const Unit& unit : kUnits) {
    if (value.count() != 0 && value % unit.length == nanoseconds(0)) {
      return fmt::format("{}{}", value / unit.length, unit.name);
    }
  }
  return "0s";
}

struct BitUnit {
  std::string_view name;
  std::uint64_t bits_per_second;
};
constexpr std::array kBitUnits = {BitUnit{"Gbit/s", 1'000'000'000}, BitUnit{"Mbit/s", 1'000'000},
                                  BitUnit{"kbit/s", 1'000}, BitUnit{"bit/s", 1}};
// Chosen: a second's worth is a packet at least, and a byte is not less than the clock can tell.
constexpr std::uint64_t kLeastBitRate = 8'000;
constexpr std::uint64_t kMostBitRate = 100'000'000'000;

struct NamedProtocol {
  std::string_view name;
  flows::Protocol protocol;
};
constexpr std::array kProtocols = {NamedProtocol{"tcp", flows::Protocol::kTcp},
                                   NamedProtocol{"udp", flows::Protocol::kUdp},
                                   NamedProtocol{"icmp", flows::Protocol::kIcmp},
                                   NamedProtocol{"icmpv6", flows::Protocol::kIcmpv6}};

struct NamedIcmpType {
  std::string_view name;
  IcmpType type;
};
constexpr std::array kIcmpTypes = {NamedIcmpType{"echo_request", {8, 128}},
                                   NamedIcmpType{"echo_reply", {0, 129}}};
constexpr std::array<std::string_view, 7> kDays = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
constexpr std::uint16_t kMinutesOfDay = 24 * 60;
constexpr std::uint16_t kFarthestZoneMinutes = 14 * 60;  // +14:00 is Kiribati's
constexpr std::uint32_t kMostRate = 1'000'000'000;       // one a nanosecond

// Of "08:30"; up to 24:00.
std::optional<std::uint16_t> minutes_in(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') {
    return std::nullopt;
  }
  const auto hours = number_in<std::uint8_t>(text.substr(0, 2));
  const auto minutes = number_in<std::uint8_t>(text.substr(3));
  if (!hours || !minutes || *minutes > 59 || *hours * 60 + *minutes > kMinutesOfDay) {
    return std::nullopt;
  }
  return static_cast<std::uint16_t>(*hours * 60 + *minutes);
}

std::optional<std::uint8_t> day_in(std::string_view text) {
  const auto* day = std::ranges::find(kDays, text);
  return day == kDays.end() ? std::nullopt
                            : std::optional(static_cast<std::uint8_t>(day - kDays.begin()));
}

// As flows/dns_answer.h takes them.
bool is_host_label(std::string_view label) {
  static constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  return !label.empty() && label.size() <= 63 &&
         label.find_first_not_of(kAllowed) == std::string_view::npos;
}

std::optional<uid_t> uid_of_user(const std::string& user) {
  std::array<char, 16 * 1024> room{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwnam_r(user.c_str(), &entry, room.data(), room.size(), &found) != 0 ||
      found == nullptr) {
    return std::nullopt;
  }
  return found->pw_uid;
}

bool looks_like_a_user(std::string_view text) {
  static constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
  return !text.empty() && text.size() <= kLongestUserName &&
         text.find_first_not_of(kAllowed) == std::string_view::npos;
}

}  // namespace

Parsed<std::uint32_t> CountKind::parse(const Word& word) const {
  const std::string expected = fmt::format("expected a whole number from {} to {}", least, most);
  if (word.quoted || !is_digits(word.text)) {
    return Unexpected{expected + got(word) + (word.quoted ? " in quotes" : "")};
  }
  if (word.text.size() > 1 && word.text.front() == '0') {
    return Unexpected{expected + ", without leading zeros" + got(word)};
  }
  const auto value = number_in<std::uint32_t>(word.text);
  if (!value || *value < least || *value > most) {
    return Unexpected{expected + got(word)};
  }
  return *value;
}
std::string CountKind::print(Value value) const {
  return std::to_string(value);
}

Parsed<std::uint32_t> WorkersKind::parse(const Word& word) const {
  if (word.text == "auto") {
    return 0U;
  }
  const auto count = CountKind{.least = 1, .most = flows::kMostShards}.parse(word);
  if (!count) {
    return Unexpected{"expected auto or a whole number from 1 to " +
                      std::to_string(flows::kMostShards) + got(word)};
  }
  return *count;
}
std::string WorkersKind::print(Value value) const {
  return value == 0 ? "auto" : std::to_string(value);
}

Parsed<nanoseconds> DurationKind::parse(const Word& word) const {
  const std::size_t unit = std::min(word.text.find_first_not_of("0123456789"), word.text.size());
  if (unit > 0 && unit == word.text.size()) {
    return Unexpected{"a duration needs its unit: " + std::string(word.text.substr(0, 12)) +
                      "s, or with ms, m, h, d"};
  }
  const auto value = duration_of(word.text.substr(0, unit), word.text.substr(unit));
  if (!value) {
    return Unexpected{"expected a duration such as 1500ms, 30s, 2m or 2h" + got(word)};
  }
  if (*value < least || *value > most) {
    return Unexpected{"expected a duration from " + print_duration(least) + " to " +
                      print_duration(most) + got(word)};
  }
  return *value;
}
std::string DurationKind::print(Value value) const {
  return print_duration(value);
}

Parsed<bool> BoolKind::parse(const Word& word) const {
  if (word.quoted || (word.text != "true" && word.text != "false")) {
    return Unexpected{"expected true or false" + got(word) + (word.quoted ? " in quotes" : "")};
  }
  return word.text == "true";
}
std::string BoolKind::print(Value value) const {
  return value ? "true" : "false";
}

Parsed<mode_t> ModeKind::parse(const Word& word) const {
  std::string_view digits = word.text;
  const bool octal = digits.starts_with("0");
  if (digits.starts_with("0o")) {
    digits.remove_prefix(2);
  }
  const auto value = number_in<mode_t>(digits, 8);
  if (!octal || !value || *value > 0777 || digits.starts_with("-")) {
    return Unexpected{"expected a file mode in octal from 0000 to 0777, such as 0600" + got(word)};
  }
  return *value;
}
std::string ModeKind::print(Value value) const {
  return fmt::format("{:04o}", value);
}

Parsed<std::string> PathKind::parse(const Word& word) const {
  if (word.text.empty() && !may_be_empty) {
    return Unexpected{std::string("expected a path, got nothing")};
  }
  if (word.text.size() > most_bytes) {
    return Unexpected{
        fmt::format("a path here has at most {} bytes, this has {}; choose a shorter one",
                    most_bytes, word.text.size())};
  }
  if (!base::is_printable(word.text)) {
    return Unexpected{"expected a path of printable characters" + got(word)};
  }
  if (word.text == "-") {
    return Unexpected{std::string("expected a path, got '-'; standard output is /dev/stdout")};
  }
  return std::string(word.text);
}
std::string PathKind::print(const Value& value) const {
  return yaml_text(value);
}

Parsed<std::string> NameKind::parse(const Word& word) const {
  static constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@:/+";
  if (word.text.empty() || word.text.size() > kLongestName ||
      word.text.find_first_not_of(kAllowed) != std::string_view::npos) {
    return Unexpected{
        fmt::format("expected a name of 1 to {} letters, digits and . _ - @ : / +", kLongestName) +
        got(word)};
  }
  if (is_rules && word.text == kDefaultRuleName) {
    return Unexpected{in_quotes(word.text) +
                      " is what decides when nothing matches; choose another name"};
  }
  if (is_rules && word.text == kHookRuleName) {
    return Unexpected{in_quotes(word.text) +
                      " is what an app's hooks decide as; choose another name"};
  }
  return std::string(word.text);
}
std::string NameKind::print(const Value& value) const {
  return yaml_text(value);
}

Parsed<uid_t> UidKind::parse(const Word& word) const {
  if (is_digits(word.text)) {
    const auto value = number_in<uid_t>(word.text);
    if (!value || *value > kLargestUid) {
      return Unexpected{fmt::format("expected a uid from 0 to {}", kLargestUid) + got(word)};
    }
    return *value;
  }
  const auto value =
      looks_like_a_user(word.text) ? uid_of_user(std::string(word.text)) : std::nullopt;
  if (!value) {
    return Unexpected{"expected a uid or the name of a user of this machine" + got(word)};
  }
  return *value;
}
std::string UidKind::print(Value value) const {
  return std::to_string(value);
}

Parsed<base::IpPrefix> PrefixKind::parse(const Word& word) const {
  if (const auto prefix = base::IpPrefix::parse(word.text)) {
    return *prefix;
  }
  const std::size_t slash = word.text.find('/');
  const auto address = base::IpAddress::parse(word.text.substr(0, slash));
  if (!address) {
    return Unexpected{"expected an address or a prefix such as 10.0.0.0/8 or fd00::/8" + got(word)};
  }
  const unsigned most = address->is_v4() ? 32 : 128;
  const auto bits = number_in<std::uint8_t>(
      slash == std::string_view::npos ? std::string_view() : word.text.substr(slash + 1));
  if (!bits || *bits > most) {
    return Unexpected{fmt::format("expected a prefix length from 0 to {}", most) + got(word)};
  }
  return Unexpected{in_quotes(word.text) + " has bits set behind its prefix; did you mean " +
                    base::IpPrefix::of(*address, *bits).to_string() + " or " +
                    address->to_string() + "?"};
}
std::string PrefixKind::print(const Value& value) const {
  const std::string text = value.to_string();
  return value.is_v4() ? text : "\"" + text + "\"";
}

Parsed<base::Endpoint> EndpointKind::parse(const Word& word) const {
  auto endpoint = base::Endpoint::parse(word.text);
  if (!endpoint && number(usual_port) != 0) {
    std::string_view host = word.text;
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
      host = host.substr(1, host.size() - 2);
    }
    if (const auto address = base::IpAddress::parse(host)) {
      endpoint = {*address, usual_port};
    }
  }
  if (!endpoint || number(endpoint->port) < least_port) {
    const unsigned port = number(usual_port) != 0 ? number(usual_port) : 443;
    return Unexpected{
        fmt::format("expected an address and a port such as 192.0.2.1:{0} or \"[2001:db8::1]:{0}\"",
                    port) +
        got(word)};
  }
  return *endpoint;
}
std::string EndpointKind::print(const Value& value) const {
  return "\"" + value.to_string() + "\"";
}

Parsed<std::optional<base::Endpoint>> EndpointOrNoneKind::parse(const Word& word) const {
  if (word.text.empty()) {
    return std::optional<base::Endpoint>();
  }
  const auto given = endpoint.parse(word);
  return given ? Parsed<Value>(*given) : Unexpected{given.error()};
}
std::string EndpointOrNoneKind::print(const Value& value) const {
  return value ? endpoint.print(*value) : "\"\"";
}

Parsed<base::Port> ReplyPortKind::parse(const Word& word) const {
  if (word.text == "source") {
    return base::Port{};
  }
  const auto port = number_in<std::uint16_t>(word.text);
  if (!port || *port == 0) {
    return Unexpected{"expected source, or a port from 1 to 65535" + got(word)};
  }
  return base::Port{*port};
}
std::string ReplyPortKind::print(Value value) const {
  return number(value) == 0 ? "source" : std::to_string(number(value));
}

Parsed<std::string> TunnelNameKind::parse(const Word& word) const {
  if (word.text.empty() || word.text.size() > kMaxTunnelNameBytes ||
      !base::is_printable(word.text)) {
    return Unexpected{
        fmt::format("expected a tunnel's name, 1 to {} printable characters", kMaxTunnelNameBytes) +
        got(word)};
  }
  return std::string(word.text);
}
std::string TunnelNameKind::print(const Value& value) const {
  return yaml_text(value);
}

Parsed<Secret> SecretKind::parse(const Word& word) const {
  return read_secret(word.text);
}
std::string SecretKind::print(const Value& value) const {
  return yaml_text(value.source);
}

Parsed<PortRange> PortRangeKind::parse(const Word& word) const {
  const std::size_t dash = word.text.find('-');
  const std::string_view first_text = word.text.substr(0, dash);
  const std::string_view last_text =
      dash == std::string_view::npos ? first_text : word.text.substr(dash + 1);
  const auto first = number_in<std::uint16_t>(first_text);
  const auto last = number_in<std::uint16_t>(last_text);
  if (!first || !last || *first == 0) {
    return Unexpected{"expected a port from 1 to 65535, or a range such as 8000-8080" + got(word)};
  }
  if (*first > *last) {
    return Unexpected{fmt::format("the range runs backwards; did you mean {}-{}?", *last, *first)};
  }
  return PortRange{base::Port{*first}, base::Port{*last}};
}
std::string PortRangeKind::print(const Value& value) const {
  const std::string first = std::to_string(number(value.first));
  return value.first == value.last ? first : first + "-" + std::to_string(number(value.last));
}

Parsed<std::string> PatternKind::parse(const Word& word) const {
  if (word.text.empty() || word.text.size() > most_bytes || !base::is_printable(word.text)) {
    return Unexpected{fmt::format("expected {}, 1 to {} printable characters, in which * stands "
                                  "for anything",
                                  of, most_bytes) +
                      got(word)};
  }
  return std::string(word.text);
}
std::string PatternKind::print(const Value& value) const {
  return yaml_text(value);
}

Parsed<std::string> HostPatternKind::parse(const Word& word) const {
  const std::string expected =
      "expected a host name such as example.com, or *.example.com for all below it";
  std::string_view rest = word.text;
  if (rest == "*") {
    return std::string(rest);
  }
  const bool below = rest.starts_with("*.");
  rest.remove_prefix(below ? 2 : 0);
  if (rest.ends_with('.')) {
    return Unexpected{expected + ", without the dot at its end" + got(word)};
  }
  if (base::IpAddress::parse(rest)) {
    return Unexpected{expected + "; addresses belong to `destination`" + got(word)};
  }
  flows::HostName name;
  while (!rest.empty()) {
    const std::string_view label = rest.substr(0, rest.find('.'));
    if (!is_host_label(label) || !name.append_label(label)) {
      return Unexpected{expected + got(word)};
    }
    rest.remove_prefix(std::min(label.size() + 1, rest.size()));
  }
  if (name.is_empty()) {
    return Unexpected{expected + got(word)};
  }
  return (below ? "*." : "") + std::string(name.text());
}
std::string HostPatternKind::print(const Value& value) const {
  return yaml_text(value);
}

Parsed<IcmpType> IcmpTypeKind::parse(const Word& word) const {
  for (const NamedIcmpType& named : kIcmpTypes) {
    if (named.name == word.text) {
      return named.type;
    }
  }
  const auto value = number_in<std::uint8_t>(word.text);
  if (!value) {
    return Unexpected{"expected echo_request, echo_reply or an ICMP type from 0 to 255" +
                      got(word)};
  }
  return IcmpType{*value, *value};
}
std::string IcmpTypeKind::print(Value value) const {
  for (const NamedIcmpType& named : kIcmpTypes) {
    if (named.type == value) {
      return std::string(named.name);
    }
  }
  return std::to_string(value.v4);
}

Parsed<TimeRange> TimeRangeKind::parse(const Word& word) const {
  const std::size_t dash = word.text.find('-');
  const auto begin = minutes_in(word.text.substr(0, dash));
  const auto end =
      dash == std::string_view::npos ? std::nullopt : minutes_in(word.text.substr(dash + 1));
  if (!begin || !end || *begin == kMinutesOfDay) {
    return Unexpected{"expected two times of the day such as 08:00-18:00" + got(word)};
  }
  if (*begin == *end) {
    return Unexpected{std::string("begins when it ends; the whole day is 00:00-24:00")};
  }
  return TimeRange{*begin, *end};
}
std::string TimeRangeKind::print(Value value) const {
  return fmt::format("\"{:02}:{:02}-{:02}:{:02}\"", value.begin / 60, value.begin % 60,
                     value.end / 60, value.end % 60);
}

Parsed<DayRange> DayRangeKind::parse(const Word& word) const {
  const std::size_t dash = word.text.find('-');
  const auto first = day_in(word.text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : day_in(word.text.substr(dash + 1));
  if (!first || !last) {
    return Unexpected{
        "expected a day (mon, tue, wed, thu, fri, sat, sun) or a range such as "
        "mon-fri" +
        got(word)};
  }
  return DayRange{*first, *last};
}
std::string DayRangeKind::print(Value value) const {
  const std::string first(kDays.at(value.first));
  return value.first == value.last ? first : first + "-" + std::string(kDays.at(value.last));
}

Parsed<Zone> ZoneKind::parse(const Word& word) const {
  if (word.text == "local") {
    return Zone{};
  }
  if (word.text == "utc") {
    return Zone{std::int16_t{0}};
  }
  const bool east = word.text.starts_with('+');
  const auto minutes =
      east || word.text.starts_with('-') ? minutes_in(word.text.substr(1)) : std::nullopt;
  if (!minutes || *minutes > kFarthestZoneMinutes) {
    return Unexpected{"expected local, utc, or a distance from utc such as \"+02:00\"" + got(word)};
  }
  return Zone{static_cast<std::int16_t>(east ? *minutes : -*minutes)};
}
std::string ZoneKind::print(Value value) const {
  if (!value.minutes_east) {
    return "local";
  }
  const int minutes = *value.minutes_east;
  return minutes == 0 ? "utc"
                      : fmt::format("\"{}{:02}:{:02}\"", minutes < 0 ? '-' : '+',
                                    std::abs(minutes) / 60, std::abs(minutes) % 60);
}

Parsed<Rate> RateKind::parse(const Word& word) const {
  const std::string expected =
      fmt::format("expected a rate such as {0}100/s{1}{0}600/m{2}", before,
                  longest > std::chrono::minutes(1) ? ", " : " or ",
                  longest > std::chrono::minutes(1) ? fmt::format(" or {}1000/h", before) : "");
  std::string_view text = word.text;
  if (!text.starts_with(before)) {
    return Unexpected{expected + got(word)};
  }
  text.remove_prefix(before.size());
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const std::size_t slash = text.find('/');
  const auto count = number_in<std::uint32_t>(text.substr(0, slash));
  const auto span =
      slash == std::string_view::npos ? std::nullopt : duration_of("1", text.substr(slash + 1));
  const bool known = span && (*span == std::chrono::seconds(1) ||
                              *span == std::chrono::minutes(1) || *span == std::chrono::hours(1));
  if (!count || *count == 0 || *count > kMostRate || !known || *span > longest) {
    return Unexpected{expected + got(word)};
  }
  return Rate{*count, *span};
}
std::string RateKind::print(Value value) const {
  const std::string unit = print_duration(value.span).substr(1);
  const std::string rate = fmt::format("{}{}/{}", before, value.count, unit);
  return before.empty() ? rate : "\"" + rate + "\"";
}

constexpr RateKind kAnyLimit{.longest = std::chrono::hours(1)};
constexpr std::string_view kNoLimit = "any";

Parsed<std::optional<Rate>> RateLimitKind::parse(const Word& word) const {
  if (word.text == kNoLimit) {
    return std::optional<Rate>();
  }
  const auto rate = kAnyLimit.parse(word);
  if (!rate) {
    return Unexpected{"expected any, or" + rate.error().substr(rate.error().find(' '))};
  }
  return std::optional(*rate);
}
std::string RateLimitKind::print(const Value& value) const {
  return value ? kAnyLimit.print(*value) : std::string(kNoLimit);
}

Parsed<BitRate> BitRateKind::parse(const Word& word) const {
  const std::size_t unit_at = std::min(word.text.find_first_not_of("0123456789"), word.text.size());
  const auto count = number_in<std::uint64_t>(word.text.substr(0, unit_at));
  const std::string_view unit_name = word.text.substr(unit_at);
  if (count && unit_name.empty()) {
    return Unexpected{"a bandwidth needs its unit: " + std::string(word.text.substr(0, 12)) +
                      "bit/s, or with kbit/s, Mbit/s, Gbit/s"};
  }
  const auto* unit = std::ranges::find(kBitUnits, unit_name, &BitUnit::name);
  if (!count || unit == kBitUnits.end()) {
    return Unexpected{"expected a bandwidth such as 64kbit/s, 10Mbit/s or 1Gbit/s" + got(word)};
  }
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(*count, unit->bits_per_second, &product) || product < kLeastBitRate ||
      product > kMostBitRate) {
    return Unexpected{"expected a bandwidth from " + print({kLeastBitRate}) + " to " +
                      print({kMostBitRate}) + got(word)};
  }
  return BitRate{product};
}
std::string BitRateKind::print(Value value) const {
  for (const BitUnit& unit : kBitUnits) {
    if (value.bits_per_second % unit.bits_per_second == 0) {
      return fmt::format("{}{}", value.bits_per_second / unit.bits_per_second, unit.name);
    }
  }
  base::check_failed("every number is divided by one", __FILE__, __LINE__);
}

Parsed<std::optional<BitRate>> BitRateOrNoneKind::parse(const Word& word) const {
  if (word.text == "none") {
    return std::optional<BitRate>();
  }
  const bool is_number = !word.text.empty() && is_digits(word.text.substr(0, 1));
  if (!is_number) {
    return Unexpected{"expected none, or a bandwidth such as 64kbit/s, 10Mbit/s or 1Gbit/s" +
                      got(word)};
  }
  const auto given = BitRateKind{}.parse(word);
  return given ? Parsed<Value>(*given) : Unexpected{given.error()};
}
std::string BitRateOrNoneKind::print(Value value) const {
  return value ? BitRateKind{}.print(*value) : "none";
}

Parsed<std::uint32_t> MoreThanKind::parse(const Word& word) const {
  std::string_view text = word.text;
  const bool more = text.starts_with('>');
  text.remove_prefix(more ? 1 : 0);
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const auto count = number_in<std::uint32_t>(text);
  if (!more || !count) {
    return Unexpected{"expected a number that is to be exceeded, such as \">50\"" + got(word)};
  }
  return *count;
}
std::string MoreThanKind::print(Value value) const {
  return fmt::format("\">{}\"", value);
}

Parsed<BitRate> MoreThanBitRateKind::parse(const Word& word) const {
  std::string_view text = word.text;
  if (!text.starts_with('>')) {
    return Unexpected{"expected a bandwidth that is to be exceeded, such as \">20Mbit/s\"" +
                      got(word)};
  }
  text.remove_prefix(1);
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  return BitRateKind{}.parse({text, word.quoted});
}
std::string MoreThanBitRateKind::print(Value value) const {
  return fmt::format("\">{}\"", BitRateKind{}.print(value));
}

Parsed<std::uint32_t> MarkKind::parse(const Word& word) const {
  const bool is_hex = word.text.starts_with("0x");
  const std::string_view digits = word.text.substr(is_hex ? 2 : 0);
  const bool is_octal = digits.size() > 1 && digits.starts_with('0') && !is_hex;  // to some
  const auto value = is_octal ? std::nullopt : number_in<std::uint32_t>(digits, is_hex ? 16 : 10);
  if (!value || *value == 0) {
    return Unexpected{"expected a mark from 1 to 4294967295, or from 0x1 to 0xffffffff" +
                      got(word)};
  }
  return *value;
}
std::string MarkKind::print(Value value) const {
  return mark_text(value);
}

Parsed<flows::Dscp> DscpKind::parse(const Word& word) const {
  const auto dscp = flows::parse_dscp(word.text);
  if (!dscp) {
    return Unexpected{
        "expected a code point: cs0 to cs7, af11 to af43, ef, va, le, or a number from 0 to 63" +
        got(word)};
  }
  return *dscp;
}
std::string DscpKind::print(Value value) const {
  return flows::dscp_text(value);
}

Parsed<Redirect> RedirectKind::parse(const Word& word) const {
  if (const auto endpoint = base::Endpoint::parse(word.text);
      endpoint && number(endpoint->port) != 0) {
    return Redirect{endpoint->address, endpoint->port};
  }
  std::string_view host = word.text;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  if (const auto address = base::IpAddress::parse(host)) {
    return Redirect{*address, {}};
  }
  return Unexpected{
      "expected an address, or one with a port: 192.0.2.1, 192.0.2.1:8080 or "
      "\"[2001:db8::1]:8080\"" +
      got(word)};
}
std::string RedirectKind::print(const Value& value) const {
  const std::string text = number(value.port) == 0
                               ? value.address.to_string()
                               : base::Endpoint{value.address, value.port}.to_string();
  return "\"" + text + "\"";
}

std::string print_labels(const std::vector<LabelMatch>& labels) {
  std::string text;
  for (const LabelMatch& label : labels) {
    std::string values;
    for (const std::string& value : label.values) {
      values += (values.empty() ? "" : ", ") + yaml_text(value);
    }
    text += fmt::format("{}{}: [{}]", text.empty() ? "" : ", ", yaml_text(label.key), values);
  }
  return "{" + text + "}";
}

Parsed<flows::Protocol> ProtocolKind::parse(const Word& word) const {
  const auto* named = std::ranges::find(kProtocols, word.text, &NamedProtocol::name);
  if (named != kProtocols.end()) {
    return named->protocol;
  }
  const auto value = number_in<std::uint8_t>(word.text);
  if (!value) {
    return Unexpected{"expected tcp, udp, icmp, icmpv6 or an IP protocol number from 0 to 255" +
                      got(word)};
  }
  return flows::Protocol{*value};
}
std::string ProtocolKind::print(Value value) const {
  const auto* named = std::ranges::find(kProtocols, value, &NamedProtocol::protocol);
  return named != kProtocols.end() ? std::string(named->name)
                                   : std::to_string(static_cast<unsigned>(value));
}

namespace {

constexpr std::array<std::pair<std::string_view, flows::Action>, 4> kActions = {
    {{"upgrade", flows::Action::kUpgrade},
     {"forward", flows::Action::kForward},
     {"reject", flows::Action::kReject},
     {"drop", flows::Action::kDrop}}};
constexpr ChoiceKind<flows::Action> kAction{kActions};

}  // namespace

Parsed<flows::Action> ActionKind::parse(const Word& word) const {
  auto action = kAction.parse(word);
  if (!action && word.text.starts_with("redirect")) {
    return Unexpected{action.error() + "; write `redirect: ADDRESS` as a key of its own"};
  }
  if (!action && word.text.ends_with("downgrade")) {
    return Unexpected{action.error() + "; write `action: upgrade` and `then: downgrade`"};
  }
  return action;
}
std::string ActionKind::print(Value value) const {
  return kAction.print(value);
}

}  // namespace gateway
