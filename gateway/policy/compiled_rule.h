// CompiledRule: the match of a rule made ready to be asked.
//
// It answers with the first key that does not hold rather than with no, so that `flowctl explain`
// says what packets meet, by the very code that they meet.
#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_prefix.h"
#include "gateway/config/settings.h"
#include "gateway/policy/flow_facts.h"

namespace gateway {

/// A key of a rule that can fail to hold. In the order in which they are asked, the cheap ones
/// first.
enum class MatchKey : std::uint8_t {
  kToTunnel,
  kProtocol,
  kRedirect,  // no key of `match`: only TCP can be taken to the other family
  kTenant,
  kDestinationPort,
  kSourcePort,
  kIcmpType,
  kDestination,
  kSource,
  kOpenFlows,
  kName,
  kTunnel,
  kLabels,
  kNewFlows,
  kBitRate,
  kDays,
  kTime,
};
std::string_view name(MatchKey key);  // "destination_port"

class CompiledRule {
 public:
  /// Every tenant that `rule` names is among `known_tenants`.
  CompiledRule(const Rule& rule, const std::vector<TenantSettings>& known_tenants);

  /// The first key that does not hold; nothing when the rule matches.
  [[nodiscard]] std::optional<MatchKey> first_failed(const FlowFacts& facts) const;
  /// The same without the keys that ask about the moment: what holds for as long as the flow lives.
  [[nodiscard]] bool may_match(const FlowFacts& facts) const;

  /// The name that the rule asks for and the flow's destination has; kNoName: it asks for none.
  [[nodiscard]] flows::NameIndex name_of(const FlowFacts& facts) const;

 private:
  // The keys that few rules have, so that walking past the others stays in the cache.
  struct Rare {
    explicit Rare(const Rule& rule) : match(rule.match), redirect(rule.redirect) {}
    RuleMatch match;
    std::optional<Redirect> redirect;
  };

  [[nodiscard]] std::optional<MatchKey> first_failed_of_packet(const FlowFacts& facts) const;
  [[nodiscard]] std::optional<MatchKey> first_failed_of_tunnel(const FlowFacts& facts) const;
  [[nodiscard]] std::optional<MatchKey> first_failed_now(const FlowFacts& facts) const;

  bool any_to_tunnel_;
  bool wanted_to_tunnel_;
  std::bitset<256> protocols_;
  std::vector<std::uint32_t> tenants_;  // ids, sorted; empty lists here mean any
  std::vector<PortRange> destination_port_;
  std::vector<PortRange> source_port_;
  std::vector<base::IpPrefix> destination_;
  std::vector<base::IpPrefix> source_;
  std::unique_ptr<const Rare> rare_;  // null: it has none of them
};

/// What `key` of the rule asks for, as the configuration writes it: "53, 80 or 443".
std::string wanted(const Rule& rule, MatchKey key);
/// What the flow has of it. `tenant` is the name of its tenant.
std::string found(const Rule& rule, const FlowFacts& facts, MatchKey key, std::string_view tenant);

}  // namespace gateway
