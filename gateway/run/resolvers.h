// Resolvers: how a command inside reaches the host's name servers. Pure.
//
// Theory of operation
//
// Inside, /etc/resolv.conf names addresses of the gateway, one for each name server of the host, in
// the same order and family; queries to them go to the host's, over UDP and TCP alike. So a server
// on the host's loopback works, the fallback from one to the next and its time-outs are those of
// the program's own resolver, and every query is a flow that is seen.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "gateway/packet_path.h"

namespace gateway {

struct ResolverPlan {
  std::string resolv_conf;  // empty: leave the file alone
  std::vector<GatewayAddresses::StandIn> stand_ins;
};

/// `host` is the content of the host's resolv.conf(5); search lists and options are kept. The first
/// server of a family is reached at the gateway's own address, those after it at the ones below.
ResolverPlan plan_resolvers(std::string_view host, const base::IpAddress& gateway_v4,
                            const base::IpAddress& gateway_v6);

}  // namespace gateway
