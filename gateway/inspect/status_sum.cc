#include "gateway/inspect/status_sum.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace gateway {
namespace {

void add(flows::WireCount& sum, const flows::WireCount& more) {
  sum.packets += more.packets;
  sum.bytes += more.bytes;
}

void add(TenantStatus& sum, const TenantStatus& more) {
  CHECK(sum.id == more.id);
  sum.tunnels += more.tunnels;
  sum.flows += more.flows;
  sum.dials += more.dials;
  sum.half_open += more.half_open;
  sum.connections += more.connections;
  sum.flows_total += more.flows_total;
  sum.gave_way_total += more.gave_way_total;
}

void add(NatStatus& sum, const NatStatus& more) {
  sum.claimed += more.claimed;
  sum.capacity += more.capacity;
  sum.exhausted += more.exhausted;
}

void add(GatewayStats& sum, const GatewayStats& more) {
  sum.started_ns = std::min(sum.started_ns, more.started_ns);
  sum.flows_opened += more.flows_opened;
  sum.flows_ended += more.flows_ended;
  sum.flows += more.flows;
  sum.tunnels += more.tunnels;
  sum.tunnels_opened += more.tunnels_opened;
  sum.dials += more.dials;
  sum.relays += more.relays;
  sum.relays_from_client += more.relays_from_client;
  sum.pipes_in_use += more.pipes_in_use;
  sum.pool_sockets += more.pool_sockets;
  sum.relayed_up_bytes += more.relayed_up_bytes;
  sum.relayed_down_bytes += more.relayed_down_bytes;
  sum.sandbox_restarts += more.sandbox_restarts;
  sum.hook_failures += more.hook_failures;
  add(sum.up, more.up);
  add(sum.down, more.down);
}

// A tenant lives on one shard, but every shard knows its own bound.
void add(std::vector<BandwidthStatus>& sum, const std::vector<BandwidthStatus>& more) {
  for (const BandwidthStatus& one : more) {
    const auto same = std::ranges::find_if(sum, [&](const BandwidthStatus& other) {
      return other.rule == one.rule && other.tenant == one.tenant;
    });
    if (same == sum.end()) {
      sum.push_back(one);
      continue;
    }
    same->bytes += one.bytes;
    same->waits += one.waits;
    same->waited_ms += one.waited_ms;
    same->waiting += one.waiting;
    add(same->dropped, one.dropped);
  }
}

void add(GatewayStatus& sum, const GatewayStatus& more) {
  CHECK(sum.tenants.size() == more.tenants.size() && sum.drops.size() == more.drops.size());
  sum.tunnels.insert(sum.tunnels.end(), more.tunnels.begin(), more.tunnels.end());
  for (std::size_t i = 0; i < sum.tenants.size(); ++i) {
    add(sum.tenants[i], more.tenants[i]);
  }
  sum.rule_flows.resize(std::max(sum.rule_flows.size(), more.rule_flows.size()));
  for (std::size_t i = 0; i < more.rule_flows.size(); ++i) {
    sum.rule_flows[i] += more.rule_flows[i];
  }
  sum.default_rule_flows += more.default_rule_flows;
  add(sum.bandwidths, more.bandwidths);
  add(sum.nat, more.nat);
  add(sum.stats, more.stats);
  sum.histograms.add(more.histograms);
  for (std::size_t i = 0; i < sum.drops.size(); ++i) {
    sum.drops[i].count += more.drops[i].count;
  }
}

}  // namespace

GatewayStatus sum_of(std::span<const GatewayStatus> shards) {
  CHECK(!shards.empty());
  GatewayStatus sum = shards.front();
  for (const GatewayStatus& shard : shards.subspan(1)) {
    add(sum, shard);
  }
  std::ranges::sort(sum.tunnels, {}, &TunnelStatus::id);
  std::ranges::sort(sum.bandwidths, {}, [](const BandwidthStatus& bandwidth) {
    return std::pair(bandwidth.rule, bandwidth.tenant);
  });
  return sum;
}

}  // namespace gateway
