#include "gateway/policy/policy.h"

#include <algorithm>

#include "base/check.h"
#include "gateway/config/setting_list.h"

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

std::uint32_t id_of(const std::string& name, const std::vector<TenantSettings>& tenants) {
  const auto found = std::ranges::find(tenants, name, &TenantSettings::name);
  CHECK(found != tenants.end());
  return found->id;
}

}  // namespace

Policy::Policy(const Settings& settings) {
  CHECK(settings.rules.size() <= kMostRules);
  rules_.reserve(settings.rules.size());
  for (const Rule& rule : settings.rules) {
    rules_.emplace_back(rule, settings.tenants);
  }
}

Decision Policy::decide(const flows::FlowKey& key, bool to_tunnel) const {
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    if (rules_[i].matches(key, to_tunnel)) {
      return {rules_[i].action, static_cast<std::uint16_t>(i), rules_[i].then_downgrade};
    }
  }
  return {to_tunnel ? flows::Action::kForward : flows::Action::kUpgrade, flows::kDefaultRule};
}

std::string_view Policy::rule_name(std::uint16_t rule) const {
  return rule < rules_.size() ? std::string_view(rules_[rule].name) : kDefaultRuleName;
}

Policy::CompiledRule::CompiledRule(const Rule& rule,
                                   const std::vector<TenantSettings>& known_tenants)
    : name(rule.name),
      action(rule.action),
      then_downgrade(rule.then == Then::kDowngrade),
      source(rule.match.source),
      destination(rule.match.destination),
      source_port(rule.match.source_port),
      destination_port(rule.match.destination_port),
      to_tunnel(rule.match.to_tunnel) {
  for (const std::string& tenant : rule.match.tenant) {
    tenants.push_back(id_of(tenant, known_tenants));
  }
  std::ranges::sort(tenants);
  for (const flows::Protocol protocol : rule.match.protocol) {
    protocols.set(static_cast<std::uint8_t>(protocol));
  }
  if (rule.match.protocol.empty()) {
    protocols.set();
  }
}

bool Policy::CompiledRule::matches(const flows::FlowKey& key, bool is_to_tunnel) const {
  return (!to_tunnel || *to_tunnel == is_to_tunnel) &&
         protocols.test(static_cast<std::uint8_t>(key.protocol)) &&
         (tenants.empty() || std::ranges::binary_search(tenants, key.tenant)) &&
         within(destination_port, key.protocol, key.destination.port) &&
         within(source_port, key.protocol, key.source.port) &&
         within(destination, key.destination.address) && within(source, key.source.address);
}

}  // namespace gateway
