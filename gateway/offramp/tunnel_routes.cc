#include "gateway/offramp/tunnel_routes.h"

#include <cstring>
#include <span>

namespace gateway {

using base::IpAddress;
using base::IpPrefix;

std::size_t TunnelRoutes::AddressHash::operator()(const IpAddress& address) const {
  // Keys come from contexts of peers that the configuration lets in, not from packets.
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  std::memcpy(&high, address.bytes().data(), sizeof(high));
  std::memcpy(&low, address.bytes().data() + sizeof(high), sizeof(low));
  return std::hash<std::uint64_t>{}(low ^ (high * 0x9e3779b97f4a7c15U));
}

void TunnelRoutes::add(const IpPrefix& prefix, std::uint32_t tunnel) {
  claims_of(prefix)[prefix.address()].push_back(tunnel);
}

void TunnelRoutes::remove(const IpPrefix& prefix, std::uint32_t tunnel) {
  Claims& claims = claims_of(prefix);
  const auto claim = claims.find(prefix.address());
  if (claim == claims.end()) {
    return;
  }
  std::erase(claim->second, tunnel);
  if (claim->second.empty()) {
    claims.erase(claim);
  }
}

std::optional<std::uint32_t> TunnelRoutes::find(const IpAddress& address) const {
  const std::span<const Claims> lengths =
      address.is_v4() ? std::span<const Claims>(v4_) : std::span<const Claims>(v6_);
  for (std::size_t bits = lengths.size(); bits-- > 0;) {
    if (lengths[bits].empty()) {
      continue;
    }
    const IpPrefix network = IpPrefix::of(address, static_cast<std::uint8_t>(bits));
    if (const auto claim = lengths[bits].find(network.address()); claim != lengths[bits].end()) {
      return claim->second.back();
    }
  }
  return std::nullopt;
}

}  // namespace gateway
