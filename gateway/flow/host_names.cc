#include "gateway/flow/host_names.h"

#include <algorithm>

namespace gateway {

using base::IpAddress;
using flows::NameIndex;

void HostNames::learn(std::uint32_t tenant, const flows::DnsAnswer& answer, base::Instant now) {
  const auto name = names_.use(answer.name);
  if (!name) {
    return;
  }
  const base::Duration ttl = std::chrono::seconds(answer.ttl_seconds);
  const base::Instant until = now + std::clamp(ttl, kLeastLife, kLongestLife);
  for (const IpAddress& address : answer.addresses()) {
    remember(tenants_[tenant], address, *name, until);
  }
  names_.release(*name);  // those that remember it hold it now
}

void HostNames::remember(OfTenant& tenant, const IpAddress& address, NameIndex name,
                         base::Instant until) {
  names_.use(name);
  forget(tenant, address);
  if (tenant.by_address.size() >= kMaxPerTenant) {
    forget(tenant, IpAddress(tenant.oldest_first.front()));
  }
  const auto place = tenant.oldest_first.insert(tenant.oldest_first.end(), address);
  tenant.by_address.emplace(address, Known{name, until, place});
}

void HostNames::forget(OfTenant& tenant, const IpAddress& address) {
  const auto known = tenant.by_address.find(address);
  if (known != tenant.by_address.end()) {
    names_.release(known->second.name);
    tenant.oldest_first.erase(known->second.place);
    tenant.by_address.erase(known);
  }
}

NameIndex HostNames::find(std::uint32_t tenant, const IpAddress& address, base::Instant now) const {
  const auto of_tenant = tenants_.find(tenant);
  if (of_tenant == tenants_.end()) {
    return flows::kNoName;
  }
  const auto known = of_tenant->second.by_address.find(address);
  const bool is_known = known != of_tenant->second.by_address.end() && now < known->second.until;
  return is_known ? known->second.name : flows::kNoName;
}

}  // namespace gateway
