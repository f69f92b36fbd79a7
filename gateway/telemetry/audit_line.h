// Audit line: one event of a flow as the line of JSON that the audit log has of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "gateway/inspect/flow_json.h"
#include "gateway/telemetry/audit_log.h"

namespace gateway {

/// Appends the line, its end included. `now_ns` is the moment of the event on CLOCK_MONOTONIC,
/// which `age_ms` counts to.
void append_audit_line(std::string& out, const AuditEvent& event, const FlowNames& names,
                       std::int64_t now_ns);

/// RFC 3339 in UTC with microseconds: "2025-11-21T01:44:23.000417Z".
void append_time(std::string& out, std::chrono::system_clock::time_point time);

}  // namespace gateway
