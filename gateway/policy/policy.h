// Policy: what becomes of a new flow.
//
// The rules are tried in the order of the file and the first that matches decides. When none does,
// and without rules, packets to a tunnel of the same tenant are forwarded and everything else is
// upgraded. Port conditions hold for TCP and UDP only: an ICMP echo identifier that happens to be
// 53 is not DNS. tests/gateway/policy/policy_test.cc states the same.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_prefix.h"
#include "flows/flow.h"
#include "flows/flow_key.h"
#include "gateway/config/settings.h"

namespace gateway {

struct Decision {
  flows::Action action{};
  std::uint16_t rule = flows::kDefaultRule;  // index into the rules of the settings
  bool then_downgrade = false;

  friend bool operator==(const Decision&, const Decision&) = default;
};

/// Immutable, so any thread may ask.
class Policy {
 public:
  /// `settings` have been checked: every tenant that a rule names exists.
  explicit Policy(const Settings& settings);

  /// `key` is of the flow's first packet. `to_tunnel`: an open tunnel of the same tenant claims the
  /// destination.
  [[nodiscard]] Decision decide(const flows::FlowKey& key, bool to_tunnel) const;

  /// "default" for flows::kDefaultRule and for an index that no rule has.
  [[nodiscard]] std::string_view rule_name(std::uint16_t rule) const;
  [[nodiscard]] std::size_t rule_count() const { return rules_.size(); }

 private:
  // A RuleMatch made ready to be asked.
  struct CompiledRule {
    explicit CompiledRule(const Rule& rule, const std::vector<TenantSettings>& known_tenants);
    [[nodiscard]] bool matches(const flows::FlowKey& key, bool is_to_tunnel) const;

    std::string name;
    flows::Action action;
    bool then_downgrade;
    std::vector<std::uint32_t> tenants;  // ids, sorted; empty lists here mean any
    std::bitset<256> protocols;
    std::vector<base::IpPrefix> source;
    std::vector<base::IpPrefix> destination;
    std::vector<PortRange> source_port;
    std::vector<PortRange> destination_port;
    std::optional<bool> to_tunnel;
  };

  std::vector<CompiledRule> rules_;
};

}  // namespace gateway
