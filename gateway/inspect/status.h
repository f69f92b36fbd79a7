// Status: what the gateway can be asked about itself, as plain values.
//
// The control server turns them into JSON; flows are not here, because flowctl reads them from the
// flow region itself.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/ip_prefix.h"
#include "base/result.h"
#include "flows/drop.h"
#include "flows/flow.h"
#include "gateway/inspect/explanation.h"
#include "gateway/inspect/flow_histograms.h"
#include "gateway/inspect/flow_json.h"
#include "gateway/inspect/health.h"
#include "gateway/inspect/hook_report.h"
#include "gateway/inspect/reload_report.h"

namespace gateway {

/// A bound on the bytes of some flows, and what it has done (bandwidth/bandwidth.h).
struct BandwidthStatus {
  std::uint16_t rule = flows::kDefaultRule;  // its number; kDefaultRule: it is the tenant's own
  std::uint32_t tenant = 0;                  // id
  std::uint64_t bits_per_second = 0;
  std::uint64_t bytes = 0;  // let through
  std::uint64_t waits = 0;  // how often a connection has had to wait
  std::uint64_t waited_ms = 0;
  std::uint32_t waiting = 0;  // directions of connections, now
  flows::WireCount dropped;   // datagrams and forwarded packets
};

struct TunnelStatus {
  std::uint32_t id = 0;
  std::string tenant;
  std::string name;
  std::string onramp;  // "seqpacket", "tun"
  std::vector<base::IpPrefix> addresses;
  std::uint32_t mtu_bytes = 0;
  bool offload = false;
  std::map<std::string, std::string> labels;
  std::int64_t opened_ns = 0;  // CLOCK_MONOTONIC
  std::uint32_t flows = 0;
  flows::WireCount up;    // from the tunnel
  flows::WireCount down;  // to it
  std::uint64_t dropped_packets = 0;
};

struct TenantStatus {
  std::uint32_t id = 0;
  std::string name;
  std::uint32_t tunnels = 0;
  std::uint32_t flows = 0;
  std::uint32_t max_flows = 0;
  std::uint32_t dials = 0;  // connects under way
  std::uint32_t max_dials = 0;
  std::uint32_t half_open = 0;  // TCP flows whose handshake is not finished
  std::uint32_t max_half_open = 0;
  std::uint32_t connections = 0;  // TCP flows with sockets of the gateway
  std::uint32_t max_connections = 0;
  std::uint64_t flows_total = 0;
  std::uint64_t gave_way_total = 0;   // unanswered flows, to others that wanted their place
  std::uint64_t bits_per_second = 0;  // that all its flows may carry together; 0: there is no bound
};

struct NatStatus {
  std::uint32_t claimed = 0;
  std::uint32_t capacity = 0;
  std::string first_v4, first_v6;  // outside addresses of slot 0
  std::uint16_t first_port = 0;
  std::uint16_t last_port = 0;
  std::uint64_t exhausted = 0;  // flows refused for want of a slot
};

/// Every way a context is refused has its own counter (onramp/tunnel_context.h).
struct NamedCount {
  std::string name;
  std::string meaning;  // one sentence
  std::uint64_t count = 0;
};

struct GatewayStats {
  std::int64_t started_ns = 0;
  std::uint64_t flows_opened = 0;
  std::uint64_t flows_ended = 0;
  std::uint32_t flows = 0;
  std::uint32_t flows_max = 0;
  std::uint32_t tunnels = 0;
  std::uint64_t tunnels_opened = 0;
  std::uint32_t dials = 0;
  std::uint32_t relays = 0;
  std::uint32_t relays_from_client = 0;  // of them, those whose client has not finished
  std::uint32_t pipes_in_use = 0;
  std::uint32_t pool_sockets = 0;      // made in the sandbox ahead of need
  std::uint64_t relayed_up_bytes = 0;  // payload, client to upstream
  std::uint64_t relayed_down_bytes = 0;
  std::uint64_t sandbox_restarts = 0;
  std::uint64_t audit_events = 0;
  std::uint64_t audit_write_errors = 0;
  std::uint64_t ipfix_sent = 0;     // records
  std::uint64_t ipfix_lost = 0;     // records that found no place, or were not taken by the kernel
  std::uint64_t hook_failures = 0;  // hooks of an app that have thrown, or answered what cannot be
  flows::WireCount up;
  flows::WireCount down;
};

struct GatewayStatus {
  std::vector<TunnelStatus> tunnels;
  std::vector<TenantStatus> tenants;
  std::vector<std::string> rules;         // names, by the number that flows have
  std::vector<std::uint64_t> rule_flows;  // that each has decided
  std::uint64_t default_rule_flows = 0;   // that none has
  std::vector<BandwidthStatus> bandwidths;
  NatStatus nat;
  GatewayStats stats;
  FlowHistograms histograms;
  std::vector<ShardHealth> shards;
  std::vector<NamedCount> drops;     // packets and flows, every flows::Drop
  std::vector<NamedCount> refusals;  // tunnels, every way a context or peer is refused
};

/// Empty where there is no such number.
[[nodiscard]] inline std::string_view rule_name(const GatewayStatus& status, std::uint16_t rule) {
  return rule < status.rules.size() ? std::string_view(status.rules[rule]) : std::string_view();
}
[[nodiscard]] inline std::string_view tenant_name(const GatewayStatus& status, std::uint32_t id) {
  const auto tenant = std::ranges::find(status.tenants, id, &TenantStatus::id);
  return tenant == status.tenants.end() ? std::string_view() : std::string_view(tenant->name);
}

/// Calls `visit(name, flows)` for every rule and for the default.
template <class Visit>
void for_each_rule(const GatewayStatus& status, Visit visit) {
  for (std::size_t i = 0; i < status.rules.size(); ++i) {
    visit(std::string_view(status.rules[i]),
          i < status.rule_flows.size() ? status.rule_flows[i] : 0);
  }
  visit(kDefaultRuleName, status.default_rule_flows);
}

/// What the control server needs of the gateway. Calls come from the control thread and wait for
/// the shard; none of them is on a packet's path.
class StatusSource {
 public:
  virtual ~StatusSource() = default;
  /// Of a shard that does not answer, what it said last.
  virtual GatewayStatus status() = 0;
  /// Waits for nobody.
  virtual GatewayHealth health() = 0;
  /// The memfd that holds each shard's flow table; read-only mappings of it are welcome.
  virtual std::vector<const base::Fd*> flow_regions() const = 0;
  /// Ends the flow with this id, resetting both ends. False when there is none; fails with why that
  /// is not known.
  virtual base::Result<bool, std::string> kill_flow(std::uint64_t id) = 0;
  /// What it would do with a packet. Fails with what is wrong with the question.
  virtual base::Result<Explanation, std::string> explain(const ExplainQuery& query) = 0;
  /// Which hooks have run for a flow that lives, or has lived. Fails with why that is not known.
  virtual base::Result<HookReport, std::string> hooks_of(std::uint64_t flow) = 0;
  /// The settings in force, as a file would have them; without secrets.
  virtual std::string config() = 0;
  /// Takes over the configuration in the file at `path`; empty: the one it was started with.
  virtual ReloadReport reload(const std::string& path) = 0;
};

}  // namespace gateway
