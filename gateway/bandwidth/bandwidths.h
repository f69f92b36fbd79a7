// Bandwidths: which flows of a shard share which bounds.
//
// A rule's bound is for each tenant by itself, and made when the first flow of that tenant asks for
// it. A tenant lives on one shard, so its bounds are whole here.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "gateway/bandwidth/bandwidth.h"
#include "gateway/onramp/tenant.h"
#include "gateway/policy/policy.h"

namespace gateway {

/// Belongs to the shard's thread.
class Bandwidths {
 public:
  /// From now on; every `tenant` of the shard follows.
  void set_rules(const Policy& policy, base::Instant now);
  /// The same of a tenant, by its settings.
  void set_tenant(Tenant& tenant, base::Instant now);
  /// Nobody has a bound any more that set_rules() or set_tenant() has taken away.
  void forget_removed() { removed_.clear(); }

  /// Whether there are any bounds at all: else no flow has one.
  [[nodiscard]] bool any() const { return any_; }
  /// Of a flow of `tenant` that the rule of this number has decided.
  [[nodiscard]] Bounds of(std::uint16_t rule, const Tenant& tenant, base::Instant now) {
    return {.rule = rule < rules_.size() && rules_[rule] != nullptr
                        ? &of_rule(*rules_[rule], tenant.settings.id, now)
                        : nullptr,
            .tenant = tenant.bandwidth};
  }

  /// Calls `visit(rule, tenant id, const Bandwidth&)` for each that is in use; rule is
  /// flows::kDefaultRule where it is the tenant's own.
  template <class Visit>
  void for_each(Visit visit) const {
    for (std::size_t rule = 0; rule < rules_.size(); ++rule) {
      if (rules_[rule] != nullptr) {
        for (const auto& [tenant, bound] : rules_[rule]->tenants) {
          visit(static_cast<std::uint16_t>(rule), tenant, *bound);
        }
      }
    }
    for (const auto& [tenant, bound] : tenants_) {
      visit(flows::kDefaultRule, tenant, *bound);
    }
  }

 private:
  using ByTenant = std::unordered_map<std::uint32_t, std::unique_ptr<Bandwidth>>;
  struct OfRule {
    std::uint64_t bits_per_second = 0;
    ByTenant tenants;
  };

  static Bandwidth& of_rule(OfRule& rule, std::uint32_t tenant, base::Instant now);
  void remove(ByTenant& bounds);
  void look_for_any();

  std::vector<std::unique_ptr<OfRule>> rules_;  // by number; null: it has no bound
  ByTenant tenants_;
  std::vector<std::unique_ptr<Bandwidth>> removed_;  // flows may still have them
  bool any_ = false;
};

}  // namespace gateway
