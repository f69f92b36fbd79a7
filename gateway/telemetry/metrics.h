// Metrics: a gateway's figures as Prometheus reads them (text exposition format 0.0.4). Pure.
//
// Units are in the names, counters end in _total. The only labels are directions, reasons and the
// tenants of the configuration: nothing that a peer could make up.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/inspect/status.h"

namespace gateway {

inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

/// `now_ns` is CLOCK_MONOTONIC, as the times in `status` are.
std::string metrics_text(const GatewayStatus& status, std::int64_t now_ns);

}  // namespace gateway
