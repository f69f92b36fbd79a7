// API: a LiveView as JSON, under the names that `flowctl --json` has. Pure.
//
//     /api/overview   everything below in one object
//     /api/stats      {"stats":{...}}
//     /api/rules      {"rules":[{"rule":"web","flows":17},...],"rules_total":2}
//     /api/tenants    {"tenants":[...],"tenants_total":1}
//     /api/tunnels    {"tunnels":[...],"tunnels_total":1}
//     /api/flows      {"flows":[...],"flows_total":1,"by":"rate","interval_ms":1000}
//     /api/drops      {"drops":[...]}
//
// Each flow has `up_rate` and `down_rate` besides, {bits_per_second, packets_per_second}. Lists
// have `limit` entries (?limit=50; at most kMostRows): of the flows the first ?by=rate, bytes or
// newest; of the others, where there are more, those with most traffic or flows.
#pragma once

#include <string_view>

#include "gateway/telemetry/http_reply.h"
#include "gateway/telemetry/live_view.h"

namespace gateway {

inline constexpr std::size_t kMostRows = LiveView::kMostFlows;
inline constexpr std::size_t kUsualRows = 50;

/// `path` begins with /api/. What it does not have, or what is wrong with the query, the reply
/// says.
HttpReply api_reply(std::string_view path, std::string_view query, const LiveView& view);

}  // namespace gateway
