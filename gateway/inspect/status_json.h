// Status JSON: the names under which a gateway's status appears, for flowctl and on the telemetry
// address alike. The one place that writes them; flows are flow_json.h's.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "gateway/inspect/json_writer.h"
#include "gateway/inspect/status.h"

namespace gateway {

// Objects, each an element of an array. `now_ns` is CLOCK_MONOTONIC.
void write_tunnel(JsonWriter& json, const TunnelStatus& tunnel, std::int64_t now_ns);
void write_tenant(JsonWriter& json, const TenantStatus& tenant);
void write_rule(JsonWriter& json, std::string_view rule, std::uint64_t flows);
/// The member "bandwidths": `rule` is null where it is the tenant's own.
void write_bandwidths(JsonWriter& json, const GatewayStatus& status);
/// One for each counter, whatever it has counted. `what` was dropped: a packet, a tunnel.
void write_counts(JsonWriter& json, std::string_view what, const std::vector<NamedCount>& counts);

/// The member "nat".
void write_nat(JsonWriter& json, const NatStatus& nat);
/// The members of the object "stats", but for its rules.
void write_stats(JsonWriter& json, const GatewayStats& stats, std::int64_t now_ns);

}  // namespace gateway
