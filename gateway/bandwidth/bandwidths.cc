#include "gateway/bandwidth/bandwidths.h"

#include <algorithm>
#include <utility>

namespace gateway {

void Bandwidths::set_rules(const Policy& policy, base::Instant now) {
  std::vector<std::unique_ptr<OfRule>> before = std::exchange(rules_, {});
  for (std::size_t i = 0; i < policy.rule_count(); ++i) {
    const auto& bandwidth = policy.rule(i).bandwidth;
    if (!bandwidth) {
      continue;
    }
    const std::size_t number = policy.number_of(i);
    rules_.resize(std::max(rules_.size(), number + 1));
    const bool goes_on = number < before.size() && before[number] != nullptr;
    rules_[number] = goes_on ? std::move(before[number]) : std::make_unique<OfRule>();
    rules_[number]->bits_per_second = bandwidth->bits_per_second;
    for (const auto& [tenant, bound] : rules_[number]->tenants) {
      bound->set_rate(bandwidth->bits_per_second, now);
    }
  }
  for (const auto& rule : before) {
    if (rule != nullptr) {
      remove(rule->tenants);
    }
  }
  look_for_any();
}

void Bandwidths::set_tenant(Tenant& tenant, base::Instant now) {
  const std::uint32_t id = tenant.settings.id;
  const auto bound = tenants_.find(id);
  if (const auto& wanted = tenant.settings.bandwidth; !wanted) {
    if (bound != tenants_.end()) {
      removed_.push_back(std::move(bound->second));
      tenants_.erase(bound);
    }
    tenant.bandwidth = nullptr;
  } else if (bound != tenants_.end()) {
    bound->second->set_rate(wanted->bits_per_second, now);
  } else {
    tenant.bandwidth =
        tenants_.emplace(id, std::make_unique<Bandwidth>(wanted->bits_per_second, now))
            .first->second.get();
  }
  look_for_any();
}

Bandwidth& Bandwidths::of_rule(OfRule& rule, std::uint32_t tenant, base::Instant now) {
  auto& bound = rule.tenants[tenant];
  if (bound == nullptr) {
    bound = std::make_unique<Bandwidth>(rule.bits_per_second, now);
  }
  return *bound;
}

void Bandwidths::remove(ByTenant& bounds) {
  for (auto& [tenant, bound] : bounds) {
    removed_.push_back(std::move(bound));
  }
}

void Bandwidths::look_for_any() {
  any_ = !rules_.empty() || !tenants_.empty();
}

}  // namespace gateway
