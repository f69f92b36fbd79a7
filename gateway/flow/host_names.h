// HostNames: which name each tenant was last given an address for.
//
// Learned from the DNS answers that pass by (flows/dns_answer.h), forgotten some time after their
// TTL, those learned first when a tenant has too many. A tenant's names are its own: what one
// was told says nothing about another's flows.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <unordered_map>

#include "base/ip_address.h"
#include "base/time.h"
#include "flows/dns_answer.h"
#include "flows/name_table.h"

namespace gateway {

/// Belongs to the shard's thread. Allocates when it learns, not when it is asked.
class HostNames {
 public:
  // Chosen: what a browser's day brings to one tenant's devices; 0.5 MB.
  static constexpr std::size_t kMaxPerTenant = 4096;
  // Programs keep addresses for longer than they may.
  static constexpr base::Duration kLeastLife = std::chrono::minutes(5);
  static constexpr base::Duration kLongestLife = std::chrono::hours(24);

  explicit HostNames(flows::NameTable& names) : names_(names) {}

  void learn(std::uint32_t tenant, const flows::DnsAnswer& answer, base::Instant now);
  /// kNoName when there is none. The caller counts its use in the table.
  [[nodiscard]] flows::NameIndex find(std::uint32_t tenant, const base::IpAddress& address,
                                      base::Instant now) const;

 private:
  struct Known {
    flows::NameIndex name;
    base::Instant until;
    std::list<base::IpAddress>::iterator place;
  };
  struct OfTenant {
    std::map<base::IpAddress, Known> by_address;  // ordered: strangers choose the keys
    std::list<base::IpAddress> oldest_first;
  };

  void remember(OfTenant& tenant, const base::IpAddress& address, flows::NameIndex name,
                base::Instant until);
  void forget(OfTenant& tenant, const base::IpAddress& address);

  flows::NameTable& names_;
  std::unordered_map<std::uint32_t, OfTenant> tenants_;
};

}  // namespace gateway
