// GatewayAddresses: the addresses that the gateway itself has, as the tunnels see it, and those
// that mean another one outside.
#pragma once

#include <optional>
#include <vector>

#include "base/endpoint.h"
#include "base/ip_address.h"

namespace gateway {

struct GatewayAddresses {
  base::IpAddress v4 = base::IpAddress::v4(0xc0000008);  // 192.0.0.8, the dummy address (RFC 7600)
  base::IpAddress v6 = *base::IpAddress::parse("fd6c:6966:7467::1");
  std::optional<base::IpAddress> map_host;  // the inside address that means the host's loopback
  // The inside endpoint of each that is another endpoint outside: `run`'s resolvers.
  struct StandIn {
    base::Endpoint inside;
    base::Endpoint outside;
  };
  std::vector<StandIn> stand_ins;

  [[nodiscard]] const base::IpAddress& of_family(const base::IpAddress& like) const {
    return like.is_v4() ? v4 : v6;
  }
  /// What is dialled for a flow to `destination`.
  [[nodiscard]] base::Endpoint upstream_of(const base::Endpoint& destination) const;
  /// Whether a flow to `destination` goes to the host outside that has this address.
  [[nodiscard]] bool is_itself(const base::Endpoint& destination) const;
  /// The address that `remote`, an upstream, has inside.
  [[nodiscard]] base::IpAddress inside_of(const base::IpAddress& remote) const;
  /// That of the gateway, where `remote` is one that it stands in for.
  [[nodiscard]] std::optional<base::IpAddress> stand_in_of(const base::Endpoint& remote) const;
  /// Whether a socket of ours may be asked to go there.
  [[nodiscard]] bool is_reachable(const base::IpAddress& destination) const;
};

}  // namespace gateway
