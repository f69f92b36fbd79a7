// HostNames: which names each tenant was given an address for, the last first.
//
// Learned from the DNS answers that pass by (flows/dns_answer.h), forgotten some time after their
// TTL, those learned first when a tenant has too many. A tenant's names are its own: what one
// was told says nothing about another's flows.
//
// The records of names are all tenants' (flows/name_table.h), and flows keep theirs for as long as
// they live. So a tenant may have another name while it has fewer than there is room left
// (Choudhury and Hahne, 1998): one whose name servers make up names takes half of the records, and
// what others are told is still learned.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ip_address.h"
#include "base/time.h"
#include "flows/dns_answer.h"
#include "flows/name_table.h"

namespace gateway {

/// Names that an address was given as, the last one first.
struct KnownNames {
  static constexpr std::size_t kMost = 4;  // chosen: what share an address of a content network

  struct Name {
    std::string_view text;  // valid until names are learned
    flows::NameIndex index = flows::kNoName;
  };
  std::array<Name, kMost> list{};
  std::size_t count = 0;

  void add(const Name& name) {
    if (count < kMost) {
      list[count++] = name;
    }
  }
  [[nodiscard]] std::span<const Name> all() const { return std::span(list).first(count); }
};

/// Belongs to the shard's thread. Allocates when it learns, not when it is asked.
class HostNames {
 public:
  // Chosen: what a browser's day brings to one tenant's devices; 0.5 MB.
  static constexpr std::size_t kMaxPerTenant = 4096;  // names of addresses
  // Programs keep addresses for longer than they may.
  static constexpr base::Duration kLeastLife = std::chrono::minutes(5);
  static constexpr base::Duration kLongestLife = std::chrono::hours(24);

  explicit HostNames(flows::NameTable& names) : names_(names) {}

  /// A flow of the tenant has `name`, which it was given, until release(). False: it has too many
  /// different ones.
  [[nodiscard]] bool use(std::uint32_t tenant, flows::NameIndex name);
  void release(std::uint32_t tenant, flows::NameIndex name);

  void learn(std::uint32_t tenant, const flows::DnsAnswer& answer, base::Instant now);
  /// The last one. kNoName when there is none.
  [[nodiscard]] flows::NameIndex find(std::uint32_t tenant, const base::IpAddress& address,
                                      base::Instant now) const;
  [[nodiscard]] KnownNames all(std::uint32_t tenant, const base::IpAddress& address,
                               base::Instant now) const;
  /// What the tenant was told for `name`, `most` at most, in the order of their values. What is too
  /// old is forgotten on the way, so that no name is walked past twice.
  [[nodiscard]] std::vector<base::IpAddress> addresses(std::uint32_t tenant, std::string_view name,
                                                       std::size_t most, base::Instant now);

 private:
  struct Named {
    flows::NameIndex name;
    base::Instant until;
  };
  struct Known {
    std::vector<Named> names;  // the last first, at most KnownNames::kMost
    std::list<base::IpAddress>::iterator place;
  };
  struct OfTenant {
    std::map<base::IpAddress, Known> by_address;  // ordered: strangers choose the keys
    std::set<std::pair<flows::NameIndex, base::IpAddress>> by_name;
    std::list<base::IpAddress> oldest_first;
    std::size_t names = 0;  // of all of them together
    // How often each is used here and by flows.
    std::unordered_map<flows::NameIndex, std::uint32_t> uses;
  };

  [[nodiscard]] bool use(OfTenant& tenant, flows::NameIndex name);
  void release(OfTenant& tenant, flows::NameIndex name);

  void remember(OfTenant& tenant, const base::IpAddress& address, flows::NameIndex name,
                base::Instant until);
  void forget(OfTenant& tenant, const base::IpAddress& address);
  // That `address` was given as `name`.
  void forget(OfTenant& tenant, const base::IpAddress& address, flows::NameIndex name);

  flows::NameTable& names_;
  std::unordered_map<std::uint32_t, OfTenant> tenants_;
};

}  // namespace gateway
