// GuePeerList: who may speak GUE to an on-ramp, and for which tenants. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "flows/drop.h"
#include "gateway/config/settings.h"
#include "gateway/offramp/tunnel_routes.h"

namespace gateway {

class GuePeerList {
 public:
  /// Every tenant that `onramp` mentions is among `tenants`.
  GuePeerList(const GueOnramp& onramp, const std::vector<TenantSettings>& tenants);

  /// The id of the tenant whose packet it is that comes from `peer` and names `named`, or nobody:
  /// the longest prefix decides. Fails with kGuePeerNotAllowed or kGueTenantNotAllowed.
  [[nodiscard]] base::Result<std::uint32_t, flows::Drop> tenant_of(
      const base::IpAddress& peer, std::optional<std::uint32_t> named) const;

  /// The ids of all that can be had from tenant_of().
  [[nodiscard]] std::set<std::uint32_t> tenants() const;

 private:
  struct Entry {
    std::uint32_t tenant = 0;
    std::vector<std::uint32_t> may_name;
  };
  std::vector<Entry> entries_;
  TunnelRoutes by_prefix_;  // to an index of entries_
};

/// The position of the first GUE on-ramp through which `tenant` can speak with a peer at `address`.
std::optional<std::size_t> gue_onramp_for(const std::vector<Onramp>& onramps,
                                          const std::string& tenant,
                                          const base::IpAddress& address);

}  // namespace gateway
