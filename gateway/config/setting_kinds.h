// The kinds of value that a setting can have: how each is read, and how it is printed.
//
// A kind has `Value`, `parse(const Word&)` and `print(const Value&)`. parse() fails with what was
// expected, in words; print() gives YAML that parse() reads back to the same value.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/endpoint.h"
#include "base/ip_prefix.h"
#include "base/result.h"
#include "flows/packet.h"
#include "gateway/config/settings.h"
#include "gateway/inspect/spelling.h"

namespace gateway {

/// A YAML scalar.
struct Word {
  std::string_view text;
  bool quoted = false;
};

template <class T>
using Parsed = base::Result<T, std::string>;

struct CountKind {
  using Value = std::uint32_t;
  std::uint32_t least = 1;
  std::uint32_t most = 0;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(Value value) const;
};

/// "auto" or 1.
struct WorkersKind {
  using Value = std::uint32_t;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(Value value) const;
};

/// A number with its unit: ns, us, ms, s, m, h or d.
struct DurationKind {
  using Value = std::chrono::nanoseconds;
  Value least{};
  Value most{};
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(Value value) const;
};

struct BoolKind {
  using Value = bool;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(Value value) const;
};

/// Permission bits of a file, in octal, as chmod(1) writes them.
struct ModeKind {
  using Value = mode_t;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(Value value) const;
};

struct PathKind {
  using Value = std::string;
  std::size_t most_bytes = 0;
  bool may_be_empty = false;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(const Value& value) const;
};

/// What tenants and rules are called: it goes into logs, metrics and filters as it is.
struct NameKind {
  using Value = std::string;
  bool is_rules = false;  // which is shown where "default" and "hook" are, and is neither
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(const Value& value) const;
};

/// The name of a tenant that must be configured; the loader checks that once it has read them all.
struct TenantNameKind : NameKind {};

/// By number, or by the name of a user of this machine.
struct UidKind {
  using Value = uid_t;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(Value value) const;
};

struct PrefixKind {
  using Value = base::IpPrefix;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(const Value& value) const;
};

/// An address with its port, or without where there is a usual one.
struct EndpointKind {
  using Value = base::Endpoint;
  base::Port usual_port{};  // 0: none
  std::uint16_t least_port = 1;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(const Value& value) const;
};

/// An endpoint, or nothing: "".
struct EndpointOrNoneKind {
  using Value = std::optional<base::Endpoint>;
  EndpointKind endpoint;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(const Value& value) const;
};

/// Where answers go: a port, or "source", which is 0.
struct ReplyPortKind {
  using Value = base::Port;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(Value value) const;
};

/// What a tunnel calls itself in its context.
struct TunnelNameKind {
  using Value = std::string;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(const Value& value) const;
};

/// The secret itself, or where it is: env:NAME, an environment variable; file:PATH, the file's text
/// without its last line end. What it prints is the latter, or nothing.
struct SecretKind {
  using Value = Secret;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(const Value& value) const;
};

/// "443" or "8000-8080".
struct PortRangeKind {
  using Value = PortRange;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(const Value& value) const;
};

/// A text in which `*` stands for anything.
struct PatternKind {
  using Value = std::string;
  std::string_view of;  // what it is a pattern of, for messages
  std::size_t most_bytes = 0;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(const Value& value) const;
};

/// A host name, `*.` and a domain for all names below it, or `*` for any. Lower case.
struct HostPatternKind {
  using Value = std::string;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(const Value& value) const;
};

/// By number, or echo_request or echo_reply, whatever the family.
struct IcmpTypeKind {
  using Value = IcmpType;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(Value value) const;
};

/// "08:00-18:00", "22:00-06:00", "00:00-24:00".
struct TimeRangeKind {
  using Value = TimeRange;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(Value value) const;
};

/// "mon-fri", "sun".
struct DayRangeKind {
  using Value = DayRange;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(Value value) const;
};

/// local, utc, or a distance from it such as "+02:00".
struct ZoneKind {
  using Value = Zone;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(Value value) const;
};

/// "100/s", "600/m" and, where it may be so long, "1000/h".
struct RateKind {
  using Value = Rate;
  std::chrono::nanoseconds longest{};
  std::string_view before{};  // ">" where more than the rate is meant
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(Value value) const;
};

/// "1000/s", or "any": no limit.
struct RateLimitKind {
  using Value = std::optional<Rate>;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(const Value& value) const;
};

/// "64kbit/s", "10Mbit/s", "1Gbit/s".
struct BitRateKind {
  using Value = BitRate;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(Value value) const;
};

/// The same, or "none".
struct BitRateOrNoneKind {
  using Value = std::optional<BitRate>;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(Value value) const;
};

/// ">50"
struct MoreThanKind {
  using Value = std::uint32_t;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(Value value) const;
};

/// ">20Mbit/s"
struct MoreThanBitRateKind {
  using Value = BitRate;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(Value value) const;
};

/// 1 to 0xffffffff, with 0x or without; printed with.
struct MarkKind {
  using Value = std::uint32_t;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(Value value) const;
};

/// By name, or 0 to 63 (flows/dscp.h).
struct DscpKind {
  using Value = flows::Dscp;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(Value value) const;
};

/// An address, with or without a port.
struct RedirectKind {
  using Value = Redirect;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(const Value& value) const;
};

/// "{user: [alice]}"
std::string print_labels(const std::vector<LabelMatch>& labels);

/// By name, or by its IP protocol number.
struct ProtocolKind {
  using Value = flows::Protocol;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(Value value) const;
};

/// One of a few words.
template <class Enum>
struct ChoiceKind {
  using Value = Enum;
  std::span<const std::pair<std::string_view, Enum>> choices;

  [[nodiscard]] Parsed<Value> parse(const Word& word) const {
    std::vector<std::string_view> words;
    for (const auto& [name, value] : choices) {
      if (name == word.text) {
        return value;
      }
      words.push_back(name);
    }
    return base::Unexpected{"expected " + one_of(words) + ", got " + in_quotes(word.text)};
  }
  [[nodiscard]] std::string print(Value value) const {
    for (const auto& [name, chosen] : choices) {
      if (chosen == value) {
        return std::string(name);
      }
    }
    base::check_failed("every value of the enum is among the choices", __FILE__, __LINE__);
  }
};

/// What a rule can do with a flow. What is said so elsewhere is told how it is said here.
struct ActionKind {
  using Value = flows::Action;
  [[nodiscard]] Parsed<Value> parse(const Word& word) const;
  [[nodiscard]] std::string print(Value value) const;
};

}  // namespace gateway
