#include "gateway/telemetry/metrics.h"

#include <algorithm>
#include <cstdio>

#include "gateway/inspect/version.h"
#include "gateway/telemetry/http_request.h"

namespace gateway {
namespace {

// `value` is a count of the unit's `decimals`-th decimals.
std::string decimal_text(std::uint64_t value, unsigned decimals) {
  std::string digits = std::to_string(value);
  if (decimals == 0) {
    return digits;
  }
  digits.insert(0, digits.size() <= decimals ? decimals + 1 - digits.size() : 0, '0');
  return digits.insert(digits.size() - decimals, ".");
}

class MetricsText {
 public:
  explicit MetricsText(MetricsFormat format) : is_open_(format == MetricsFormat::kOpenMetrics) {}

  // What follows are samples of it. A counter's name ends in _total.
  MetricsText& counter(std::string_view name, std::string_view help) {
    return family(name, "counter", help);
  }
  MetricsText& gauge(std::string_view name, std::string_view help) {
    return family(name, "gauge", help);
  }
  // A name that ends in _info.
  MetricsText& info(std::string_view name, std::string_view help) {
    return family(name, is_open_ ? "info" : "gauge", help);
  }
  MetricsText& sample(std::uint64_t value) { return line("", "", std::to_string(value)); }
  MetricsText& sample(std::string_view label, std::string_view is, std::uint64_t value) {
    return line(label, is, std::to_string(value));
  }
  MetricsText& sample(std::string_view label, std::string_view is, const std::string& value) {
    return line(label, is, value);
  }

  MetricsText& sample(const BandwidthStatus& of, const GatewayStatus& status,
                      const std::string& value) {
    text_ += name_ + "{tenant=\"";
    append_escaped(tenant_name(status, of.tenant));
    if (of.rule != flows::kDefaultRule) {
      text_ += "\",rule=\"";
      append_escaped(rule_name(status, of.rule));
    }
    text_ += "\"} " + value + "\n";
    return *this;
  }

  // `announced`: of this family, not for the first time.
  void histogram(const HistogramForm& form, const FlowHistograms::Count& count, bool announced) {
    if (!announced) {
      family(form.family, "histogram", form.help);
    }
    std::string label;
    if (!form.label.empty()) {
      label = std::string(form.label) + "=\"" + std::string(form.is) + "\"";
    }
    std::uint64_t total = 0;
    for (std::size_t at = 0; at <= form.bounds.size(); ++at) {
      const FlowHistograms::Bucket& bucket = count.buckets[at];
      total += bucket.count;
      text_ += name_ + "_bucket{" + label + (label.empty() ? "" : ",") + "le=\"";
      text_ += at < form.bounds.size() ? form.bounds[at].text : "+Inf";
      text_ += "\"} " + std::to_string(total);
      if (is_open_ && bucket.last.flow != 0) {
        append_exemplar(bucket.last, form.decimals);
      }
      text_ += "\n";
    }
    const std::string labels = label.empty() ? "" : "{" + label + "}";
    text_ += name_ + "_sum" + labels + " " + decimal_text(count.sum, form.decimals) + "\n";
    text_ += name_ + "_count" + labels + " " + std::to_string(total) + "\n";
  }

  [[nodiscard]] std::string text() && {
    if (is_open_) {
      text_ += "# EOF\n";
    }
    return std::move(text_);
  }

 private:
  MetricsText& family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = "liftgate_" + std::string(name);
    std::string_view announced = name_;
    if (is_open_) {  // there, a family's name is without what its samples end in
      const std::string_view suffix = type == "counter" ? "_total" : type == "info" ? "_info" : "";
      announced.remove_suffix(suffix.size());
    }
    const std::string word(announced);
    text_ += "# HELP " + word + " " + std::string(help) + "\n# TYPE " + word + " " +
             std::string(type) + "\n";
    return *this;
  }
  void append_exemplar(const FlowHistograms::Exemplar& exemplar, unsigned decimals) {
    text_ += " # {flow_id=\"" + std::to_string(exemplar.flow) + "\"} " +
             decimal_text(exemplar.value, decimals) + " " +
             decimal_text(static_cast<std::uint64_t>(exemplar.unix_ms), 3);
  }
  MetricsText& line(std::string_view label, std::string_view is, const std::string& value) {
    text_ += name_;
    if (!label.empty()) {
      text_ += "{" + std::string(label) + "=\"";
      append_escaped(is);
      text_ += "\"}";
    }
    text_ += " " + value + "\n";
    return *this;
  }
  void append_escaped(std::string_view value) {
    for (const char letter : value) {
      if (letter == '\\' || letter == '"') {
        text_ += '\\';
      }
      if (letter == '\n') {
        text_ += "\\n";
      } else {
        text_ += letter;
      }
    }
  }

  bool is_open_;
  std::string text_;
  std::string name_;
};

std::string seconds_text(std::int64_t nanoseconds) {
  char buffer[32];
  std::snprintf(buffer, sizeof(buffer), "%.3f", static_cast<double>(nanoseconds) / 1e9);
  return buffer;
}

void add_traffic(MetricsText& metrics, const GatewayStats& stats) {
  metrics.counter("packets_total", "IP packets carried, up from tunnels and down to them.")
      .sample("direction", "up", stats.up.packets)
      .sample("direction", "down", stats.down.packets);
  metrics.counter("bytes_total", "Bytes of those packets, IP headers included.")
      .sample("direction", "up", stats.up.bytes)
      .sample("direction", "down", stats.down.bytes);
  metrics.counter("relayed_bytes_total", "Payload of upgraded TCP connections.")
      .sample("direction", "up", stats.relayed_up_bytes)
      .sample("direction", "down", stats.relayed_down_bytes);
}

void add_flows(MetricsText& metrics, const GatewayStatus& status) {
  const GatewayStats& stats = status.stats;
  metrics.gauge("flows", "Flows in the table.").sample(stats.flows);
  metrics.gauge("flows_limit", "Flows that the table holds at most.").sample(stats.flows_max);
  metrics.counter("flows_opened_total", "Flows that began.").sample(stats.flows_opened);
  metrics.counter("flows_ended_total", "Flows that ended.").sample(stats.flows_ended);
  metrics.gauge("dials", "Connects to upstreams under way.").sample(stats.dials);
  metrics.gauge("relays", "TCP connections being proxied.").sample(stats.relays);
  metrics.gauge("relay_pipes", "Pipes with bytes in flight.").sample(stats.pipes_in_use);
  metrics.gauge("tenant_flows", "Flows of a tenant.");
  for (const TenantStatus& tenant : status.tenants) {
    metrics.sample("tenant", tenant.name, tenant.flows);
  }
  metrics.counter("tenant_flows_opened_total", "Flows of a tenant that began.");
  for (const TenantStatus& tenant : status.tenants) {
    metrics.sample("tenant", tenant.name, tenant.flows_total);
  }
  metrics.gauge("tenant_half_open_flows", "TCP flows of a tenant whose handshake is not finished.");
  for (const TenantStatus& tenant : status.tenants) {
    metrics.sample("tenant", tenant.name, tenant.half_open);
  }
  metrics.gauge("tenant_connections", "TCP flows of a tenant that have sockets of the gateway.");
  for (const TenantStatus& tenant : status.tenants) {
    metrics.sample("tenant", tenant.name, tenant.connections);
  }
  metrics.counter("tenant_flows_gave_way_total",
                  "Flows of a tenant that nobody had answered when another wanted their place.");
  for (const TenantStatus& tenant : status.tenants) {
    metrics.sample("tenant", tenant.name, tenant.gave_way_total);
  }
  metrics.gauge("tenant_tunnels", "Open tunnels of a tenant.");
  for (const TenantStatus& tenant : status.tenants) {
    metrics.sample("tenant", tenant.name, tenant.tunnels);
  }
}

// Without a rule it is the tenant's own; each is bounded by what the file says.
template <class Value>
void add_bandwidth(MetricsText& metrics, const GatewayStatus& status, Value value) {
  for (const BandwidthStatus& bandwidth : status.bandwidths) {
    metrics.sample(bandwidth, status, value(bandwidth));
  }
}

void add_bandwidths(MetricsText& metrics, const GatewayStatus& status) {
  using Of = const BandwidthStatus&;
  // Prometheus counts in bytes; an eighth of a bit rate has three decimals at most.
  metrics.gauge("bandwidth_limit_bytes_per_second", "Bounds of tenants, and of rules for tenants.");
  add_bandwidth(metrics, status, [](Of of) { return decimal_text(of.bits_per_second * 125, 3); });
  metrics.counter("bandwidth_bytes_total", "Bytes that a bound has let through.");
  add_bandwidth(metrics, status, [](Of of) { return std::to_string(of.bytes); });
  metrics.counter("bandwidth_waits_total", "Times that a bound has had a connection wait.");
  add_bandwidth(metrics, status, [](Of of) { return std::to_string(of.waits); });
  metrics.counter("bandwidth_wait_seconds_total", "For how long, of all connections together.");
  add_bandwidth(metrics, status, [](Of of) {
    return seconds_text(static_cast<std::int64_t>(of.waited_ms) * 1'000'000);
  });
  metrics.counter("bandwidth_dropped_packets_total", "Packets that were beyond a bound.");
  add_bandwidth(metrics, status, [](Of of) { return std::to_string(of.dropped.packets); });
}

void add_histograms(MetricsText& metrics, const FlowHistograms& histograms) {
  std::string_view announced;
  for (std::size_t i = 0; i < kFlowHistogramCount; ++i) {
    const auto histogram = static_cast<FlowHistogram>(i);
    const HistogramForm& form = form_of(histogram);
    metrics.histogram(form, histograms.of(histogram), form.family == announced);
    announced = form.family;
  }
}

void add_shards(MetricsText& metrics, const std::vector<ShardHealth>& shards) {
  metrics.gauge("shard_ready", "Whether a shard serves: it has a sandbox, and its loop turns.");
  for (std::size_t i = 0; i < shards.size(); ++i) {
    metrics.sample("shard", std::to_string(i), std::uint64_t{shards[i].is_ready() ? 1U : 0U});
  }
  metrics.gauge("shard_loop_lag_seconds", "How late a shard's last tick came.");
  for (std::size_t i = 0; i < shards.size(); ++i) {
    metrics.sample("shard", std::to_string(i), seconds_text(shards[i].lag_ns));
  }
}

void add_counts(MetricsText& metrics, const std::vector<NamedCount>& counts) {
  for (const NamedCount& count : counts) {
    metrics.sample("reason", count.name, count.count);
  }
}

}  // namespace

MetricsFormat metrics_format(std::string_view accept) {
  const unsigned open = wanted_thousandths(accept, "application/openmetrics-text", "1.0.0");
  const unsigned plain =
      std::max({wanted_thousandths(accept, "text/plain", "0.0.4"),
                wanted_thousandths(accept, "text/*"), wanted_thousandths(accept, "*/*")});
  return open > 0 && open >= plain ? MetricsFormat::kOpenMetrics : MetricsFormat::kPrometheus;
}

std::string_view content_type(MetricsFormat format) {
  return format == MetricsFormat::kOpenMetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

std::string metrics_text(const GatewayStatus& status, std::int64_t now_ns, MetricsFormat format) {
  const GatewayStats& stats = status.stats;
  MetricsText metrics(format);
  metrics.info("build_info", "Always 1; the version is in the label.")
      .sample("version", version(), std::uint64_t{1});
  metrics.gauge("uptime_seconds", "Since the gateway started.")
      .sample("", "", seconds_text(now_ns - stats.started_ns));
  add_traffic(metrics, stats);
  add_flows(metrics, status);
  metrics.gauge("tunnels", "Open tunnels.").sample(stats.tunnels);
  metrics.counter("tunnels_opened_total", "Tunnels that opened.").sample(stats.tunnels_opened);
  metrics.counter("tunnels_refused_total", "Contexts and peers that were refused.");
  add_counts(metrics, status.refusals);
  metrics.counter("drops_total", "Packets and flows that went nowhere, by reason.");
  add_counts(metrics, status.drops);
  metrics.counter("rule_flows_total", "New flows that each rule has decided.");
  for_each_rule(status, [&](std::string_view rule, std::uint64_t flows) {
    metrics.sample("rule", rule, flows);
  });
  add_bandwidths(metrics, status);
  add_histograms(metrics, status.histograms);
  add_shards(metrics, status.shards);
  metrics.gauge("nat_bindings", "NAT bindings in use.").sample(status.nat.claimed);
  metrics.gauge("nat_bindings_limit", "NAT bindings that there are.").sample(status.nat.capacity);
  metrics.counter("sandbox_restarts_total", "Sandboxes started after the first.")
      .sample(stats.sandbox_restarts);
  metrics.counter("audit_events_total", "Lines for the audit log.").sample(stats.audit_events);
  metrics.counter("audit_write_errors_total", "Failed writes to the audit log.")
      .sample(stats.audit_write_errors);
  metrics.counter("ipfix_records_total", "Flow records for the collector, sent and lost.")
      .sample("result", "sent", stats.ipfix_sent)
      .sample("result", "lost", stats.ipfix_lost);
  metrics.counter("hook_failures_total", "Hooks that have thrown, or answered what cannot be.")
      .sample(stats.hook_failures);
  return std::move(metrics).text();
}

}  // namespace gateway
