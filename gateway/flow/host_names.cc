#include "gateway/flow/host_names.h"

#include <algorithm>
#include <utility>

namespace gateway {

using base::IpAddress;
using flows::NameIndex;

bool HostNames::use(std::uint32_t tenant, NameIndex name) {
  return use(tenants_[tenant], name);
}

void HostNames::release(std::uint32_t tenant, NameIndex name) {
  release(tenants_.at(tenant), name);
}

bool HostNames::use(OfTenant& tenant, NameIndex name) {
  const auto [uses, is_new] = tenant.uses.try_emplace(name, 0);
  if (is_new && tenant.uses.size() > names_.room() + 1) {  // with its own, which is taken already
    tenant.uses.erase(uses);
    return false;
  }
  ++uses->second;
  names_.use(name);
  return true;
}

void HostNames::release(OfTenant& tenant, NameIndex name) {
  const auto uses = tenant.uses.find(name);
  if (--uses->second == 0) {
    tenant.uses.erase(uses);
  }
  names_.release(name);
}

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
  if (!use(tenant, name)) {
    return;
  }
  std::vector<Named> names = {{name, until}};
  if (const auto known = tenant.by_address.find(address); known != tenant.by_address.end()) {
    for (const Named& before : known->second.names) {
      if (before.name != name && names.size() < KnownNames::kMost) {
        (void)use(tenant, before.name);  // which is none that is new
        names.push_back(before);
      }
    }
  }
  forget(tenant, address);
  while (tenant.names + names.size() > kMaxPerTenant) {
    forget(tenant, IpAddress(tenant.oldest_first.front()));
  }
  tenant.names += names.size();
  for (const Named& named : names) {
    tenant.by_name.emplace(named.name, address);
  }
  const auto place = tenant.oldest_first.insert(tenant.oldest_first.end(), address);
  tenant.by_address.emplace(address, Known{std::move(names), place});
}

void HostNames::forget(OfTenant& tenant, const IpAddress& address) {
  const auto known = tenant.by_address.find(address);
  if (known != tenant.by_address.end()) {
    for (const Named& named : known->second.names) {
      tenant.by_name.erase({named.name, address});
      release(tenant, named.name);
    }
    tenant.names -= known->second.names.size();
    tenant.oldest_first.erase(known->second.place);
    tenant.by_address.erase(known);
  }
}

void HostNames::forget(OfTenant& tenant, const IpAddress& address, NameIndex name) {
  const auto known = tenant.by_address.find(address);
  if (known->second.names.size() == 1) {
    forget(tenant, address);
    return;
  }
  std::erase_if(known->second.names, [&](const Named& named) { return named.name == name; });
  tenant.by_name.erase({name, address});
  --tenant.names;
  release(tenant, name);
}

NameIndex HostNames::find(std::uint32_t tenant, const IpAddress& address, base::Instant now) const {
  const KnownNames names = all(tenant, address, now);
  return names.count == 0 ? flows::kNoName : names.list.front().index;
}

KnownNames HostNames::all(std::uint32_t tenant, const IpAddress& address, base::Instant now) const {
  KnownNames names;
  const auto of_tenant = tenants_.find(tenant);
  if (of_tenant == tenants_.end()) {
    return names;
  }
  const auto known = of_tenant->second.by_address.find(address);
  if (known == of_tenant->second.by_address.end()) {
    return names;
  }
  for (const Named& named : known->second.names) {
    if (now < named.until) {
      names.add({names_.text(named.name), named.name});
    }
  }
  return names;
}

std::vector<IpAddress> HostNames::addresses(std::uint32_t tenant, std::string_view name,
                                            std::size_t most, base::Instant now) {
  std::vector<IpAddress> addresses;
  const auto index = names_.find(name);
  const auto of_tenant = tenants_.find(tenant);
  if (!index || of_tenant == tenants_.end()) {
    return addresses;
  }
  OfTenant& known_to = of_tenant->second;
  auto told = known_to.by_name.lower_bound({*index, IpAddress{}});
  while (told != known_to.by_name.end() && told->first == *index && addresses.size() < most) {
    const IpAddress address = (told++)->second;
    const auto& known = known_to.by_address.at(address).names;
    if (now < std::ranges::find(known, *index, &Named::name)->until) {
      addresses.push_back(address);
    } else {
      forget(known_to, address, *index);
    }
  }
  return addresses;
}

}  // namespace gateway
