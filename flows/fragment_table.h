// FragmentTable: what is remembered about packets that come in fragments, in bounded memory that
// tenants share fairly.
//
// Theory of operation
//
// An entry uses one unit or more of what is shared. A tenant may use so many units, and no tenant
// keeps more than its equal part of all of them when another wants some: the tenant above gives its
// oldest entry up (giver()). So the fragments of one tenant, however hostile, cost another nothing.
// Who gives way depends on nothing but the order of arrival.
//
// Entries are kept in the order in which they came, of all tenants and of each. As all live equally
// long at most, the oldest is the next to expire. The hash is keyed: attackers choose the keys.
// Nothing is allocated for an entry. tests/flows/reassembly_test.cc states the same.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/byte_order.h"
#include "base/check.h"
#include "base/ip_address.h"
#include "base/siphash.h"
#include "base/time.h"

namespace flows {

/// Which packet a fragment is of (RFC 791 3.2, RFC 8200 4.5). The tunnel is a part of it, so that
/// no tunnel can disturb another's.
struct FragmentKey {
  base::IpAddress source;
  base::IpAddress destination;
  std::uint32_t tenant = 0;
  std::uint32_t tunnel = 0;
  std::uint32_t id = 0;
  std::uint8_t protocol = 0;  // IPv4 only: later fragments of IPv6 may name another

  friend bool operator==(const FragmentKey&, const FragmentKey&) = default;
};

template <class Value>
class FragmentTable {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  struct Entry {
    FragmentKey key;
    Value value{};
    std::uint32_t units = 0;  // 0: the entry is free
    base::Instant arrived{};

   private:
    friend class FragmentTable;
    std::uint32_t next_in_bucket_ = kNone;  // or in the free list
    std::uint32_t older_ = kNone, newer_ = kNone;
    std::uint32_t older_of_tenant_ = kNone, newer_of_tenant_ = kNone;
  };

  /// At most `units` in all, and `units_per_tenant` of one tenant.
  FragmentTable(std::uint32_t units, std::uint32_t units_per_tenant, base::SipKey seed)
      : entries_(units),
        buckets_(std::bit_ceil(units), kNone),
        units_per_tenant_(units_per_tenant),
        seed_(seed) {
    for (std::uint32_t i = units; i > 0; --i) {
      entries_[i - 1].next_in_bucket_ = free_;
      free_ = i - 1;
    }
  }

  [[nodiscard]] std::uint32_t find(const FragmentKey& key) const {
    std::uint32_t index = buckets_[bucket_of(key)];
    while (index != kNone && entries_[index].key != key) {
      index = entries_[index].next_in_bucket_;
    }
    return index;
  }
  [[nodiscard]] Entry& operator[](std::uint32_t index) { return entries_[index]; }

  /// Nothing where `tenant` may use one unit more. Otherwise the entry that must be erased first;
  /// `keep`, which asks for the unit, only when the tenant has no other.
  [[nodiscard]] std::optional<std::uint32_t> giver(std::uint32_t tenant, std::uint32_t keep) {
    const Tenant& asking = tenants_[tenant];
    if (asking.units < units_per_tenant_ && used_ < entries_.size()) {
      return std::nullopt;
    }
    const std::size_t sharers = active_ + (asking.units == 0 ? 1 : 0);
    const std::size_t share = std::max<std::size_t>(1, entries_.size() / sharers);
    const Tenant* giving = &asking;
    if (asking.units < units_per_tenant_ && asking.units < share) {
      for (const auto& [id, other] : tenants_) {
        // The greatest; of equals the lowest id, so that the map's order does not matter.
        const bool is_greater =
            other.units > giving->units ||
            (other.units == giving->units && giving != &asking &&
             entries_[other.oldest].key.tenant < entries_[giving->oldest].key.tenant);
        giving = is_greater ? &other : giving;
      }
    }
    CHECK(giving->oldest != kNone);
    const std::uint32_t next = entries_[giving->oldest].newer_of_tenant_;
    return giving->oldest == keep && next != kNone ? next : giving->oldest;
  }

  /// A new entry of one unit, for which there is room.
  std::uint32_t insert(const FragmentKey& key, base::Instant now) {
    CHECK(free_ != kNone && used_ < entries_.size());
    const std::uint32_t index = free_;
    Entry& entry = entries_[index];
    free_ = entry.next_in_bucket_;
    entry.key = key;
    entry.value = Value{};
    entry.arrived = now;
    std::uint32_t& bucket = buckets_[bucket_of(key)];
    entry.next_in_bucket_ = bucket;
    bucket = index;
    append(index);
    ++size_;
    use_unit(index);
    return index;
  }

  /// One unit more for the entry, for which there is room.
  void use_unit(std::uint32_t index) {
    Tenant& tenant = tenants_[entries_[index].key.tenant];
    active_ += tenant.units == 0 ? 1 : 0;
    ++entries_[index].units;
    ++tenant.units;
    ++used_;
  }

  void erase(std::uint32_t index) {
    Entry& entry = entries_[index];
    Tenant& tenant = tenants_[entry.key.tenant];
    tenant.units -= entry.units;
    active_ -= tenant.units == 0 ? 1 : 0;
    used_ -= entry.units;
    entry.units = 0;
    --size_;
    unlink(index, tenant);
    std::uint32_t* link = &buckets_[bucket_of(entry.key)];
    while (*link != index) {
      link = &entries_[*link].next_in_bucket_;
    }
    *link = entry.next_in_bucket_;
    entry.next_in_bucket_ = free_;
    free_ = index;
  }

  /// The entry that came first of all, if it came at `limit` or before.
  [[nodiscard]] std::optional<std::uint32_t> arrived_by(base::Instant limit) const {
    const bool is_due = oldest_ != kNone && entries_[oldest_].arrived <= limit;
    return is_due ? std::optional(oldest_) : std::nullopt;
  }

  [[nodiscard]] std::uint32_t used() const { return used_; }
  [[nodiscard]] std::uint32_t size() const { return size_; }

 private:
  // One per tenant that ever sent a fragment; tenants are few and configured.
  struct Tenant {
    std::uint32_t units = 0;
    std::uint32_t oldest = kNone, newest = kNone;
  };

  [[nodiscard]] std::size_t bucket_of(const FragmentKey& key) const {
    base::SipHash<1, 3> hash(seed_);
    for (const base::IpAddress* address : {&key.source, &key.destination}) {
      hash.add(base::load_be<std::uint64_t>(address->bytes(), 0));
      hash.add(base::load_be<std::uint64_t>(address->bytes(), 8));
    }
    hash.add(std::uint64_t{key.tenant} << 32U | key.tunnel);
    hash.add(std::uint64_t{key.protocol} << 32U | key.id);
    return hash.finish(0, 48) & (buckets_.size() - 1);
  }

  void append(std::uint32_t index) {
    Entry& entry = entries_[index];
    Tenant& tenant = tenants_[entry.key.tenant];
    entry.older_ = newest_;
    entry.newer_ = kNone;
    (newest_ == kNone ? oldest_ : entries_[newest_].newer_) = index;
    newest_ = index;
    entry.older_of_tenant_ = tenant.newest;
    entry.newer_of_tenant_ = kNone;
    (tenant.newest == kNone ? tenant.oldest : entries_[tenant.newest].newer_of_tenant_) = index;
    tenant.newest = index;
  }

  void unlink(std::uint32_t index, Tenant& tenant) {
    const Entry& entry = entries_[index];
    (entry.older_ == kNone ? oldest_ : entries_[entry.older_].newer_) = entry.newer_;
    (entry.newer_ == kNone ? newest_ : entries_[entry.newer_].older_) = entry.older_;
    (entry.older_of_tenant_ == kNone ? tenant.oldest
                                     : entries_[entry.older_of_tenant_].newer_of_tenant_) =
        entry.newer_of_tenant_;
    (entry.newer_of_tenant_ == kNone ? tenant.newest
                                     : entries_[entry.newer_of_tenant_].older_of_tenant_) =
        entry.older_of_tenant_;
  }

  std::vector<Entry> entries_;
  std::vector<std::uint32_t> buckets_;
  std::unordered_map<std::uint32_t, Tenant> tenants_;
  std::uint32_t units_per_tenant_;
  base::SipKey seed_;
  std::uint32_t free_ = kNone;
  std::uint32_t oldest_ = kNone, newest_ = kNone;
  std::size_t active_ = 0;  // tenants that use something
  std::uint32_t used_ = 0;
  std::uint32_t size_ = 0;
};

}  // namespace flows
