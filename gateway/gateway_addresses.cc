#include "gateway/gateway_addresses.h"

#include "flows/packet.h"

namespace gateway {

using base::IpAddress;

namespace {

IpAddress loopback_of(const IpAddress& like) {
  return like.is_v4() ? IpAddress::v4(0x7f000001) : *IpAddress::parse("::1");
}

}  // namespace

base::Endpoint GatewayAddresses::upstream_of(const base::Endpoint& destination) const {
  for (const StandIn& stand_in : stand_ins) {
    if (stand_in.inside == destination) {
      return stand_in.outside;
    }
  }
  if (map_host != destination.address) {
    return destination;
  }
  return {loopback_of(destination.address), destination.port};
}

bool GatewayAddresses::is_itself(const base::Endpoint& destination) const {
  return destination.address != of_family(destination.address) &&
         !flows::is_martian_destination(destination.address) &&
         upstream_of(destination) == destination;
}

IpAddress GatewayAddresses::inside_of(const IpAddress& remote) const {
  const bool is_host = map_host && remote == loopback_of(*map_host);
  return is_host ? *map_host : remote;
}

std::optional<IpAddress> GatewayAddresses::stand_in_of(const base::Endpoint& remote) const {
  for (const StandIn& stand_in : stand_ins) {
    if (stand_in.outside == remote) {
      return stand_in.inside.address;
    }
  }
  return std::nullopt;
}

bool GatewayAddresses::is_reachable(const IpAddress& destination) const {
  return map_host == destination || !flows::is_martian_destination(destination);
}

}  // namespace gateway
