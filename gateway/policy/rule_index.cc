#include "gateway/policy/rule_index.h"

#include "base/byte_order.h"

namespace gateway {
namespace {

using Key = IntervalSets::Key;

// Of an IPv4 address the mapped form, as of its prefixes.
Key key_of(const base::IpAddress& address) {
  return {base::load_be<std::uint64_t>(address.bytes(), 0),
          base::load_be<std::uint64_t>(address.bytes(), 8)};
}

// The last address of a prefix. Of one that is IPv6 and holds the mapped IPv4 ones, those too: the
// exact match comes after.
Key last_of(const base::IpPrefix& prefix) {
  const unsigned bits = prefix.bits() + (prefix.is_v4() ? 96U : 0U);
  const auto host_bits = [](unsigned network_bits) {
    return network_bits >= 64 ? 0 : ~std::uint64_t{0} >> network_bits;
  };
  const Key first = key_of(prefix.address());
  return {first.high | host_bits(bits), first.low | host_bits(bits < 64 ? 0 : bits - 64)};
}

Key key_of(std::uint32_t value) {
  return {0, value};
}

void add(IntervalSets& sets, const std::vector<base::IpPrefix>& prefixes, std::size_t bit) {
  for (const base::IpPrefix& prefix : prefixes) {
    sets.add(key_of(prefix.address()), last_of(prefix), bit);
  }
  if (prefixes.empty()) {
    sets.add_all(bit);
  }
}

// No more sets than this are made of it.
std::size_t sets_of(const RuleMatch& match) {
  return match.name.size() +
         2 * (match.protocol.size() + match.destination.size() + match.source.size() +
              match.destination_port.size() + match.tenant.size());
}

std::size_t rules_per_bit(const std::vector<Rule>& rules, std::size_t most_bytes) {
  std::size_t sets = 0;
  for (const Rule& rule : rules) {
    sets += sets_of(rule.match);
  }
  const std::size_t most_bits = std::max(BitSets::kWordBits, 8 * most_bytes / (sets + 1));
  return std::max<std::size_t>(1, (rules.size() + most_bits - 1) / most_bits);
}

}  // namespace

RuleIndex::RuleIndex(const std::vector<Rule>& rules, const std::vector<TenantSettings>& tenants,
                     std::size_t most_bytes)
    : rules_per_bit_(rules_per_bit(rules, most_bytes)),
      bits_((rules.size() + rules_per_bit_ - 1) / rules_per_bit_),
      protocols_(bits_),
      destinations_(bits_),
      sources_(bits_),
      destination_ports_(bits_),
      tenants_(bits_),
      named_(bits_),
      unnamed_(named_.add()),
      with_any_name_(named_.add()) {
  TenantIds ids;
  for (const TenantSettings& tenant : tenants) {
    ids.emplace(tenant.name, tenant.id);
  }
  for (std::size_t i = 0; i < rules.size(); ++i) {
    add(rules[i], i / rules_per_bit_, ids);
  }
  for (IntervalSets* sets :
       {&protocols_, &destinations_, &sources_, &destination_ports_, &tenants_}) {
    sets->finish();
  }
}

void RuleIndex::add(const Rule& rule, std::size_t bit, const TenantIds& tenants) {
  const RuleMatch& match = rule.match;
  for (const flows::Protocol protocol : match.protocol) {
    protocols_.add(key_of(static_cast<std::uint8_t>(protocol)),
                   key_of(static_cast<std::uint8_t>(protocol)), bit);
  }
  if (match.protocol.empty()) {
    protocols_.add_all(bit);
  }
  gateway::add(destinations_, match.destination, bit);
  gateway::add(sources_, match.source, bit);
  for (const PortRange& range : match.destination_port) {
    destination_ports_.add(key_of(number(range.first)), key_of(number(range.last)), bit);
  }
  if (match.destination_port.empty()) {
    destination_ports_.add_all(bit);
  }
  for (const std::string& tenant : match.tenant) {
    const Key id = key_of(tenants.at(tenant));
    tenants_.add(id, id, bit);
  }
  if (match.tenant.empty()) {
    tenants_.add_all(bit);
  }
  for (const std::string& pattern : match.name) {
    add_name(pattern, bit);
  }
  if (match.name.empty()) {
    named_.insert(unnamed_, bit);
  }
}

// The three forms that matches_host() knows.
void RuleIndex::add_name(const std::string& pattern, std::size_t bit) {
  if (pattern == "*") {
    named_.insert(with_any_name_, bit);
    return;
  }
  const bool below = pattern.starts_with("*.");
  const auto [known, is_new] =
      (below ? below_domain_ : with_name_).try_emplace(below ? pattern.substr(2) : pattern);
  if (is_new) {
    known->second = named_.add();
  }
  named_.insert(known->second, bit);
}

RuleIndex::Sets RuleIndex::sets_of(const FlowFacts& facts) const {
  const flows::FlowKey& key = facts.key;
  Sets sets{.all = {protocols_.find(key_of(static_cast<std::uint8_t>(key.protocol))),
                    destination_ports_.find(key_of(number(key.destination.port))),
                    tenants_.find(key_of(key.tenant)),
                    destinations_.find(key_of(key.destination.address)),
                    sources_.find(key_of(key.source.address))}};
  add_named(sets, facts.names);
  return sets;
}

void RuleIndex::add_named(Sets& sets, const KnownNames& names) const {
  const auto add = [&](std::size_t set) {
    if (sets.named_count < Sets::kMostNamed) {
      sets.named[sets.named_count] = named_.row(set);
    }
    ++sets.named_count;
  };
  const auto add_if_any = [&](const SetsByName& all, std::string_view name) {
    if (const auto found = all.find(name); found != all.end()) {
      add(found->second);
    }
  };
  add(unnamed_);
  if (names.count > 0) {
    add(with_any_name_);
  }
  for (const KnownNames::Name& name : names.all()) {
    add_if_any(with_name_, name.text);
    for (std::size_t dot = name.text.find('.'); dot != std::string_view::npos;
         dot = name.text.find('.', dot + 1)) {
      add_if_any(below_domain_, name.text.substr(dot + 1));
    }
  }
}

}  // namespace gateway
