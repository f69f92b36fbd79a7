// TunnelRoutes: which open tunnel of a tenant an address belongs to: longest prefix, then newest.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/ip_prefix.h"

namespace gateway {

/// Asked once per new flow. One hash table per prefix length in use, so that thousands of host
/// routes cost one look-up.
class TunnelRoutes {
 public:
  /// `tunnel` claims `prefix`, ahead of whoever claimed it before.
  void add(const base::IpPrefix& prefix, std::uint32_t tunnel);
  /// `tunnel` does not claim it any more, however often it did.
  void remove(const base::IpPrefix& prefix, std::uint32_t tunnel);
  [[nodiscard]] std::optional<std::uint32_t> find(const base::IpAddress& address) const;

 private:
  struct AddressHash {
    std::size_t operator()(const base::IpAddress& address) const;
  };
  using Claims = std::unordered_map<base::IpAddress, std::vector<std::uint32_t>, AddressHash>;

  [[nodiscard]] Claims& claims_of(const base::IpPrefix& prefix) {
    return prefix.is_v4() ? v4_.at(prefix.bits()) : v6_.at(prefix.bits());
  }

  std::array<Claims, 33> v4_;  // by prefix length
  std::array<Claims, 129> v6_;
};

}  // namespace gateway
