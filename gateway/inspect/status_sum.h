// Status sum: what several shards say of themselves, as what their gateway says. Pure.
#pragma once

#include <span>

#include "gateway/inspect/status.h"

namespace gateway {

/// Of at least one shard; all of one configuration, so that each knows every tenant, and a tenant
/// of another shard as one that has nothing.
GatewayStatus sum_of(std::span<const GatewayStatus> shards);

}  // namespace gateway
