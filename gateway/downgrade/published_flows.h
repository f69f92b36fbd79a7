// PublishedFlows: opens the flows of clients that come in by a published port.
//
// The server behind the tunnel sees its client as it is, wherever that address means something to
// it. It does not where it is of the other family, or an address that a host never hears from
// (loopback, link-local), or one that a tunnel of the tenant or the gateway itself has. Then the
// gateway's own address stands for the client, with the client's port or the next one that is free.
#pragma once

#include <optional>

#include "base/endpoint.h"
#include "base/result.h"
#include "flows/drop.h"
#include "flows/flow.h"
#include "gateway/flow/flow_keeper.h"
#include "gateway/gateway_addresses.h"
#include "gateway/loop/event_loop.h"
#include "gateway/onramp/tenant.h"

namespace gateway {

/// Belongs to the shard's thread.
class PublishedFlows {
 public:
  PublishedFlows(const EventLoop& loop, FlowKeeper& flows, const GatewayAddresses& addresses)
      : loop_(loop), flows_(flows), addresses_(addresses) {}

  /// A flow from `client` to `to`, at a tunnel of `tenant`. Fails with why there is none: no tunnel
  /// claims the address, or a limit.
  base::Result<flows::FlowIndex, flows::Drop> open(Tenant& tenant, const base::Endpoint& client,
                                                   const base::Endpoint& to,
                                                   flows::Protocol protocol);

 private:
  [[nodiscard]] bool is_known_inside(const Tenant& tenant, const base::IpAddress& client,
                                     const base::IpAddress& to) const;
  // The key with a source that no other flow has.
  std::optional<flows::FlowKey> free_key(const Tenant& tenant, flows::FlowKey key);
  bool is_free(const flows::FlowKey& key);

  const EventLoop& loop_;
  FlowKeeper& flows_;
  const GatewayAddresses addresses_;
};

}  // namespace gateway
