#include "gateway/inspect/status_json.h"

#include "gateway/inspect/flow_json.h"
#include "gateway/inspect/version.h"

namespace gateway {
namespace {

void write_count(JsonWriter& json, std::string_view key, const flows::WireCount& count) {
  json.open_object(key).number("packets", count.packets).number("bytes", count.bytes);
  json.close_object();
}

}  // namespace

void write_tunnel(JsonWriter& json, const TunnelStatus& tunnel, std::int64_t now_ns) {
  json.open_object().number("id", tunnel.id).text("tenant", tunnel.tenant);
  json.text("name", tunnel.name).text("onramp", tunnel.onramp).open_array("addresses");
  for (const base::IpPrefix& prefix : tunnel.addresses) {
    json.element(prefix.to_string());
  }
  json.close_array().number("mtu", tunnel.mtu_bytes).flag("offload", tunnel.offload);
  json.number("flows", tunnel.flows);
  json.number("age_ms", milliseconds_between(tunnel.opened_ns, now_ns));
  write_count(json, "up", tunnel.up);
  write_count(json, "down", tunnel.down);
  json.number("dropped_packets", tunnel.dropped_packets).open_object("labels");
  for (const auto& [key, value] : tunnel.labels) {
    json.label(key, value);
  }
  json.close_object().close_object();
}

void write_tenant(JsonWriter& json, const TenantStatus& tenant) {
  json.open_object().number("id", tenant.id).text("name", tenant.name);
  json.number("tunnels", tenant.tunnels).number("flows", tenant.flows);
  json.number("max_flows", tenant.max_flows).number("dials", tenant.dials);
  json.number("max_dials", tenant.max_dials).number("half_open", tenant.half_open);
  json.number("max_half_open", tenant.max_half_open).number("connections", tenant.connections);
  json.number("max_connections", tenant.max_connections).number("flows_total", tenant.flows_total);
  json.number("gave_way_total", tenant.gave_way_total);
  if (tenant.bits_per_second == 0) {
    json.null("bits_per_second");
  } else {
    json.number("bits_per_second", tenant.bits_per_second);
  }
  json.close_object();
}

void write_bandwidths(JsonWriter& json, const GatewayStatus& status) {
  json.open_array("bandwidths");
  for (const BandwidthStatus& bandwidth : status.bandwidths) {
    json.open_object();
    if (bandwidth.rule == flows::kDefaultRule) {
      json.null("rule");
    } else {
      json.text("rule", rule_name(status, bandwidth.rule));
    }
    json.text("tenant", tenant_name(status, bandwidth.tenant));
    json.number("bits_per_second", bandwidth.bits_per_second).number("bytes", bandwidth.bytes);
    json.number("waits", bandwidth.waits).number("waited_ms", bandwidth.waited_ms);
    json.number("waiting", bandwidth.waiting);
    write_count(json, "dropped", bandwidth.dropped);
    json.close_object();
  }
  json.close_array();
}

void write_rule(JsonWriter& json, std::string_view rule, std::uint64_t flows) {
  json.open_object().text("rule", rule).number("flows", flows).close_object();
}

void write_counts(JsonWriter& json, std::string_view what, const std::vector<NamedCount>& counts) {
  for (const NamedCount& counted : counts) {
    json.open_object().text("what", what).text("name", counted.name);
    json.number("count", counted.count).text("meaning", counted.meaning).close_object();
  }
}

void write_nat(JsonWriter& json, const NatStatus& nat) {
  json.open_object("nat").number("claimed", nat.claimed).number("capacity", nat.capacity);
  json.text("first_v4", nat.first_v4).text("first_v6", nat.first_v6);
  json.number("first_port", nat.first_port).number("last_port", nat.last_port);
  json.number("exhausted", nat.exhausted).close_object();
}

void write_stats(JsonWriter& json, const GatewayStats& stats, std::int64_t now_ns) {
  json.text("version", version());
  json.number("uptime_ms", milliseconds_between(stats.started_ns, now_ns));
  json.number("flows", stats.flows).number("flows_max", stats.flows_max);
  json.number("flows_opened", stats.flows_opened).number("flows_ended", stats.flows_ended);
  json.number("tunnels", stats.tunnels).number("tunnels_opened", stats.tunnels_opened);
  json.number("dials", stats.dials).number("relays", stats.relays);
  json.number("pipes_in_use", stats.pipes_in_use).number("pool_sockets", stats.pool_sockets);
  json.number("relayed_up_bytes", stats.relayed_up_bytes);
  json.number("relayed_down_bytes", stats.relayed_down_bytes);
  json.number("sandbox_restarts", stats.sandbox_restarts);
  json.number("audit_events", stats.audit_events);
  json.number("audit_write_errors", stats.audit_write_errors);
  json.number("ipfix_sent", stats.ipfix_sent).number("ipfix_lost", stats.ipfix_lost);
  json.number("hook_failures", stats.hook_failures);
  write_count(json, "up", stats.up);
  write_count(json, "down", stats.down);
}

}  // namespace gateway
