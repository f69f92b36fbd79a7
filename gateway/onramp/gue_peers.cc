#include "gateway/onramp/gue_peers.h"

#include <algorithm>

#include "base/check.h"

namespace gateway {

using base::Unexpected;
using flows::Drop;

namespace {

std::uint32_t id_of(const std::string& tenant, const std::vector<TenantSettings>& tenants) {
  const auto found = std::ranges::find(tenants, tenant, &TenantSettings::name);
  CHECK(found != tenants.end());
  return found->id;
}

bool may_speak_for(const GuePeers& peers, const std::string& tenant) {
  return peers.tenant == tenant ||
         std::ranges::find(peers.may_name, tenant) != peers.may_name.end();
}

}  // namespace

GuePeerList::GuePeerList(const GueOnramp& onramp, const std::vector<TenantSettings>& tenants) {
  for (const GuePeers& peers : onramp.peers) {
    Entry entry{.tenant = id_of(peers.tenant, tenants), .may_name = {}};
    for (const std::string& name : peers.may_name) {
      entry.may_name.push_back(id_of(name, tenants));
    }
    by_prefix_.add(peers.prefix, static_cast<std::uint32_t>(entries_.size()));
    entries_.push_back(std::move(entry));
  }
}

base::Result<std::uint32_t, Drop> GuePeerList::tenant_of(const base::IpAddress& peer,
                                                         std::optional<std::uint32_t> named) const {
  const auto index = by_prefix_.find(peer);
  if (!index) {
    return Unexpected{Drop::kGuePeerNotAllowed};
  }
  const Entry& entry = entries_[*index];
  if (!named || *named == entry.tenant) {
    return entry.tenant;
  }
  if (std::ranges::find(entry.may_name, *named) == entry.may_name.end()) {
    return Unexpected{Drop::kGueTenantNotAllowed};
  }
  return *named;
}

std::set<std::uint32_t> GuePeerList::tenants() const {
  std::set<std::uint32_t> ids;
  for (const Entry& entry : entries_) {
    ids.insert(entry.tenant);
    ids.insert(entry.may_name.begin(), entry.may_name.end());
  }
  return ids;
}

std::optional<std::size_t> gue_onramp_for(const std::vector<Onramp>& onramps,
                                          const std::string& tenant,
                                          const base::IpAddress& address) {
  for (std::size_t i = 0; i < onramps.size(); ++i) {
    const auto& gue = onramps[i].gue;
    if (!gue || gue->listen.address.is_v4() != address.is_v4()) {
      continue;
    }
    const GuePeers* longest = nullptr;
    for (const GuePeers& peers : gue->peers) {
      if (peers.prefix.contains(address) &&
          (longest == nullptr || peers.prefix.bits() >= longest->prefix.bits())) {
        longest = &peers;
      }
    }
    if (longest != nullptr && may_speak_for(*longest, tenant)) {
      return i;
    }
  }
  return std::nullopt;
}

}  // namespace gateway
