// Metrics: a gateway's figures as Prometheus reads them: in its text exposition format 0.0.4, or as
// OpenMetrics 1.0.0, whose histograms have exemplars: the id of a flow in each bucket. Pure.
//
// Units are in the names, counters end in _total, and what both formats have, has the same name and
// labels in both. The only labels are directions, reasons, results, protocols, shards, and what the
// configuration names: nothing that a peer could make up.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/inspect/status.h"

namespace gateway {

enum class MetricsFormat : std::uint8_t { kPrometheus, kOpenMetrics };

/// The one that an Accept header wants more; Prometheus's own where it does not say.
MetricsFormat metrics_format(std::string_view accept);
std::string_view content_type(MetricsFormat format);

/// `now_ns` is CLOCK_MONOTONIC, as the times in `status` are.
std::string metrics_text(const GatewayStatus& status, std::int64_t now_ns, MetricsFormat format);

}  // namespace gateway
