// OnrampClient: the client's end of a SEQPACKET on-ramp.
#pragma once

#include <string>

#include "base/endpoint.h"
#include "base/fd.h"
#include "base/ip_address.h"

namespace bench {

struct TunnelContext {
  base::IpAddress v4, v6;  // the addresses behind it
  std::string mtu;
  bool offload = false;
  std::string tenant = "default";
  std::string v4_bits = "32";  // that are its own, of v4
};

/// The addresses of tunnel `number`: 100.64.0.NUMBER and fd00:64::NUMBER. No two tunnels that are
/// open at once may have the same.
TunnelContext context_of(const std::string& number, const std::string& mtu, bool offload);

/// A blocking socket that the gateway has accepted as that tunnel; or the end of the program.
base::Fd open_tunnel(const std::string& path, const TunnelContext& context);

/// A socket of a GUE on-ramp at `peer`: a packet is a datagram, in the form without a header.
base::Fd open_gue(const base::Endpoint& peer);

/// As much buffer for what is sent as the kernel lets us have: the limit of a unix connection.
void widen(const base::Fd& socket);

}  // namespace bench
