// Tunnels as the gateway's shard sees them.
#pragma once

#include <cstddef>

#include "integration/support/gateway_process.h"
#include "integration/support/must.h"
#include "integration/support/wait.h"

namespace integration {

/// A context is answered before the tunnel is open: what another tunnel sends to its address at
/// once may be too early. Returns when so many are open.
inline void wait_for_tunnels(const GatewayProcess& gateway, std::size_t count) {
  if (!eventually([&] { return gateway.flowctl({"tunnels"}).size() == count; })) {
    give_up("the tunnels did not open");
  }
}

}  // namespace integration
