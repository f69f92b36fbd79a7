#include "gateway/policy/compiled_rule.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/check.h"
#include "base/utf8.h"
#include "flows/protocol.h"
#include "gateway/config/setting_list.h"
#include "gateway/policy/moment.h"
#include "gateway/policy/pattern.h"

namespace gateway {
namespace {

bool within(const std::vector<base::IpPrefix>& prefixes, const base::IpAddress& address) {
  return prefixes.empty() || std::ranges::any_of(prefixes, [&](const base::IpPrefix& prefix) {
           return prefix.contains(address);
         });
}

bool within(const std::vector<PortRange>& ranges, flows::Protocol protocol, base::Port port) {
  return ranges.empty() ||
         (has_ports(protocol) && std::ranges::any_of(ranges, [&](PortRange range) {
            return range.first <= port && port <= range.last;
          }));
}

bool matches_any(const std::vector<std::string>& patterns, std::string_view text) {
  return patterns.empty() || std::ranges::any_of(patterns, [&](const std::string& pattern) {
           return matches_pattern(pattern, text);
         });
}

bool has_label(const FlowFacts& facts, const LabelMatch& wanted) {
  if (facts.labels == nullptr) {
    return false;
  }
  const auto label = facts.labels->find(wanted.key);
  return label != facts.labels->end() && matches_any(wanted.values, label->second);
}

const KnownNames::Name* matching_name(const std::vector<std::string>& patterns,
                                      const KnownNames& names) {
  for (const KnownNames::Name& name : names.all()) {
    if (std::ranges::any_of(patterns, [&](const std::string& pattern) {
          return matches_host(pattern, name.text);
        })) {
      return &name;
    }
  }
  return nullptr;
}

bool is_of_type(const std::vector<IcmpType>& types, const FlowFacts& facts) {
  const bool v4 = facts.key.protocol == flows::Protocol::kIcmp;
  return types.empty() || (facts.icmp_type && std::ranges::any_of(types, [&](const IcmpType& type) {
                             return (v4 ? type.v4 : type.v6) == *facts.icmp_type;
                           }));
}

template <class Range>
bool is_within_any(const std::vector<Range>& ranges, const Moment& moment) {
  return ranges.empty() ||
         std::ranges::any_of(ranges, [&](const Range& range) { return is_within(range, moment); });
}

bool has_rare_keys(const Rule& rule) {
  const RuleMatch& match = rule.match;
  return rule.redirect || match.open_flows || match.new_flows || match.bit_rate ||
         !match.icmp_type.empty() || !match.name.empty() || !match.tunnel.empty() ||
         !match.labels.empty() || !match.days.empty() || !match.time.empty();
}

std::uint32_t id_of(const std::string& name, const std::vector<TenantSettings>& tenants) {
  const auto known = std::ranges::find(tenants, name, &TenantSettings::name);
  CHECK(known != tenants.end());
  return known->id;
}

std::string any_of(const std::vector<std::string>& words) {
  return one_of(std::vector<std::string_view>(words.begin(), words.end()));
}

// As the configuration would print them, without the quotes that YAML needs.
template <class Value, class SettingKind>
std::string any_of(const std::vector<Value>& values, const SettingKind& kind) {
  std::vector<std::string> words;
  for (const Value& value : values) {
    words.push_back(kind.print(value));
    std::erase(words.back(), '"');
  }
  return any_of(words);
}

std::string port_text(flows::Protocol protocol, base::Port port) {
  return has_ports(protocol) ? std::to_string(number(port))
                             : flows::protocol_name(protocol) + ", which has no ports";
}

std::string names_text(const KnownNames& names) {
  std::vector<std::string> words;
  for (const KnownNames::Name& name : names.all()) {
    words.emplace_back(name.text);
  }
  return words.empty() ? "not known" : any_of(words);
}

std::string labels_text(const FlowFacts& facts) {
  std::vector<LabelMatch> labels;
  if (facts.labels != nullptr) {
    for (const auto& [key, value] : *facts.labels) {
      labels.push_back({key, {value}});
    }
  }
  return print_labels(labels);
}

// "23.4Mbit/s"
std::string bit_rate_text(std::uint64_t bits_per_second) {
  constexpr std::array kUnits = {"bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"};
  auto value = static_cast<double>(bits_per_second);
  std::size_t unit = 0;
  for (; value >= 1000 && unit + 1 < kUnits.size(); ++unit) {
    value /= 1000;
  }
  return fmt::format("{:.{}f}{}", value, unit == 0 ? 0 : 1, kUnits.at(unit));
}

// "Mon 13:05"
std::string moment_text(const Rule& rule, const FlowFacts& facts) {
  const Moment moment = moment_in(rule.match.zone, facts.wall_time);
  return fmt::format("{} {:02}:{:02}", DayRangeKind{}.print({moment.day, moment.day}),
                     moment.minute / 60, moment.minute % 60);
}

}  // namespace

std::string_view name(MatchKey key) {
  switch (key) {
    case MatchKey::kToTunnel:
      return "to_tunnel";
    case MatchKey::kProtocol:
      return "protocol";
    case MatchKey::kRedirect:
      return "redirect";
    case MatchKey::kTenant:
      return "tenant";
    case MatchKey::kDestinationPort:
      return "destination_port";
    case MatchKey::kSourcePort:
      return "source_port";
    case MatchKey::kIcmpType:
      return "icmp_type";
    case MatchKey::kDestination:
      return "destination";
    case MatchKey::kSource:
      return "source";
    case MatchKey::kOpenFlows:
      return "open_flows";
    case MatchKey::kName:
      return "name";
    case MatchKey::kTunnel:
      return "tunnel";
    case MatchKey::kLabels:
      return "labels";
    case MatchKey::kNewFlows:
      return "new_flows";
    case MatchKey::kBitRate:
      return "bit_rate";
    case MatchKey::kDays:
      return "days";
    case MatchKey::kTime:
      return "time";
  }
  base::check_failed("key is a MatchKey", __FILE__, __LINE__);
}

CompiledRule::CompiledRule(const Rule& rule, const std::vector<TenantSettings>& known_tenants)
    : any_to_tunnel_(!rule.match.to_tunnel),
      wanted_to_tunnel_(rule.match.to_tunnel.value_or(false)),
      destination_port_(rule.match.destination_port),
      source_port_(rule.match.source_port),
      destination_(rule.match.destination),
      source_(rule.match.source),
      rare_(has_rare_keys(rule) ? std::make_unique<const Rare>(rule) : nullptr) {
  for (const std::string& tenant : rule.match.tenant) {
    tenants_.push_back(id_of(tenant, known_tenants));
  }
  std::ranges::sort(tenants_);
  for (const flows::Protocol protocol : rule.match.protocol) {
    protocols_.set(static_cast<std::uint8_t>(protocol));
  }
  if (rule.match.protocol.empty()) {
    protocols_.set();
  }
}

std::optional<MatchKey> CompiledRule::first_failed(const FlowFacts& facts) const {
  auto failed = first_failed_of_packet(facts);
  if (!failed && rare_ != nullptr) {
    failed = first_failed_of_tunnel(facts);
    failed = failed ? failed : first_failed_now(facts);
  }
  return failed;
}

bool CompiledRule::may_match(const FlowFacts& facts) const {
  return !first_failed_of_packet(facts) && (rare_ == nullptr || !first_failed_of_tunnel(facts));
}

std::optional<MatchKey> CompiledRule::first_failed_of_packet(const FlowFacts& facts) const {
  const flows::FlowKey& key = facts.key;
  if (!any_to_tunnel_ && wanted_to_tunnel_ != facts.to_tunnel) {
    return MatchKey::kToTunnel;
  }
  if (!protocols_.test(static_cast<std::uint8_t>(key.protocol))) {
    return MatchKey::kProtocol;
  }
  if (!tenants_.empty() && !std::ranges::binary_search(tenants_, key.tenant)) {
    return MatchKey::kTenant;
  }
  if (!within(destination_port_, key.protocol, key.destination.port)) {
    return MatchKey::kDestinationPort;
  }
  if (!within(source_port_, key.protocol, key.source.port)) {
    return MatchKey::kSourcePort;
  }
  if (!within(destination_, key.destination.address)) {
    return MatchKey::kDestination;
  }
  if (!within(source_, key.source.address)) {
    return MatchKey::kSource;
  }
  return std::nullopt;
}

std::optional<MatchKey> CompiledRule::first_failed_of_tunnel(const FlowFacts& facts) const {
  const RuleMatch& match = rare_->match;
  if (const auto& redirect = rare_->redirect) {
    const flows::Protocol protocol = facts.key.protocol;
    const bool same_family = redirect->address.is_v4() == facts.key.destination.address.is_v4();
    if (!has_ports(protocol) || (protocol == flows::Protocol::kUdp && !same_family)) {
      return MatchKey::kRedirect;
    }
  }
  if (!is_of_type(match.icmp_type, facts)) {
    return MatchKey::kIcmpType;
  }
  if (!match.name.empty() && matching_name(match.name, facts.names) == nullptr) {
    return MatchKey::kName;
  }
  if (!matches_any(match.tunnel, facts.tunnel)) {
    return MatchKey::kTunnel;
  }
  if (!std::ranges::all_of(match.labels,
                           [&](const LabelMatch& label) { return has_label(facts, label); })) {
    return MatchKey::kLabels;
  }
  return std::nullopt;
}

std::optional<MatchKey> CompiledRule::first_failed_now(const FlowFacts& facts) const {
  const RuleMatch& match = rare_->match;
  if (match.open_flows && facts.open_flows <= *match.open_flows) {
    return MatchKey::kOpenFlows;
  }
  if (match.new_flows &&
      (facts.new_flows == nullptr ||
       facts.new_flows->in_last(match.new_flows->span, facts.now) <= match.new_flows->count)) {
    return MatchKey::kNewFlows;
  }
  if (match.bit_rate && facts.bits_per_second() <= match.bit_rate->bits_per_second) {
    return MatchKey::kBitRate;
  }
  if (match.days.empty() && match.time.empty()) {
    return std::nullopt;
  }
  const Moment moment = moment_in(match.zone, facts.wall_time);
  if (!is_within_any(match.days, moment)) {
    return MatchKey::kDays;
  }
  return is_within_any(match.time, moment) ? std::nullopt : std::optional(MatchKey::kTime);
}

flows::NameIndex CompiledRule::name_of(const FlowFacts& facts) const {
  if (rare_ == nullptr || rare_->match.name.empty()) {
    return flows::kNoName;
  }
  const KnownNames::Name* name = matching_name(rare_->match.name, facts.names);
  return name == nullptr ? flows::kNoName : name->index;
}

std::string wanted(const Rule& rule, MatchKey key) {
  const RuleMatch& match = rule.match;
  switch (key) {
    case MatchKey::kToTunnel:
      return match.to_tunnel.value_or(false) ? "true" : "false";
    case MatchKey::kProtocol:
      return any_of(match.protocol, ProtocolKind{});
    case MatchKey::kRedirect:
      return fmt::format("tcp, or udp over {}", rule.redirect->address.is_v4() ? "IPv4" : "IPv6");
    case MatchKey::kTenant:
      return any_of(match.tenant);
    case MatchKey::kDestinationPort:
      return any_of(match.destination_port, PortRangeKind{});
    case MatchKey::kSourcePort:
      return any_of(match.source_port, PortRangeKind{});
    case MatchKey::kIcmpType:
      return any_of(match.icmp_type, IcmpTypeKind{});
    case MatchKey::kDestination:
      return any_of(match.destination, PrefixKind{});
    case MatchKey::kSource:
      return any_of(match.source, PrefixKind{});
    case MatchKey::kOpenFlows:
      return fmt::format("more than {}", *match.open_flows);
    case MatchKey::kName:
      return any_of(match.name);
    case MatchKey::kTunnel:
      return any_of(match.tunnel);
    case MatchKey::kLabels:
      return print_labels(match.labels);
    case MatchKey::kNewFlows:
      return "more than " + RateKind{.longest = match.new_flows->span}.print(*match.new_flows);
    case MatchKey::kBitRate:
      return "more than " + BitRateKind{}.print(*match.bit_rate);
    case MatchKey::kDays:
      return any_of(match.days, DayRangeKind{});
    case MatchKey::kTime:
      return any_of(match.time, TimeRangeKind{});
  }
  base::check_failed("key is a MatchKey", __FILE__, __LINE__);
}

std::string found(const Rule& rule, const FlowFacts& facts, MatchKey key, std::string_view tenant) {
  const flows::FlowKey& flow = facts.key;
  switch (key) {
    case MatchKey::kToTunnel:
      return facts.to_tunnel ? "true" : "false";
    case MatchKey::kProtocol:
      return flows::protocol_name(flow.protocol);
    case MatchKey::kRedirect:
      return flows::protocol_name(flow.protocol) +
             (flow.destination.address.is_v4() ? " over IPv4" : " over IPv6");
    case MatchKey::kTenant:
      return std::string(tenant);
    case MatchKey::kDestinationPort:
      return port_text(flow.protocol, flow.destination.port);
    case MatchKey::kSourcePort:
      return port_text(flow.protocol, flow.source.port);
    case MatchKey::kIcmpType:
      return facts.icmp_type ? std::to_string(*facts.icmp_type)
                             : flows::protocol_name(flow.protocol) + ", which has none";
    case MatchKey::kDestination:
      return flow.destination.address.to_string();
    case MatchKey::kSource:
      return flow.source.address.to_string();
    case MatchKey::kOpenFlows:
      return std::to_string(facts.open_flows);
    case MatchKey::kName:
      return names_text(facts.names);
    case MatchKey::kTunnel:
      return facts.tunnel.empty() ? "not known" : base::printable(facts.tunnel);
    case MatchKey::kLabels:
      return labels_text(facts);
    case MatchKey::kNewFlows: {
      const Rate& rate = *rule.match.new_flows;
      const std::uint64_t now =
          facts.new_flows == nullptr ? 0 : facts.new_flows->in_last(rate.span, facts.now);
      return fmt::format("{} in the last {}", now,
                         rate.span == std::chrono::seconds(1) ? "second" : "minute");
    }
    case MatchKey::kBitRate:
      return bit_rate_text(facts.bits_per_second()) + " in the last second";
    case MatchKey::kDays:
    case MatchKey::kTime:
      return moment_text(rule, facts);
  }
  base::check_failed("key is a MatchKey", __FILE__, __LINE__);
}

}  // namespace gateway
