#include "tools/flowctl/stats_facts.h"

#include "tools/flowctl/json_text.h"
#include "tools/flowctl/top_table.h"

namespace flowctl {
namespace {

using Kind = StatsFact::Kind;

StatsFact counted(const char* name, const Json& stats, const char* key, Kind kind) {
  return {name, digits_at(stats, key), kind, number_at(stats, key)};
}
StatsFact gauge(const char* name, const Json& stats, const char* key) {
  return counted(name, stats, key, Kind::kGauge);
}
StatsFact counter(const char* name, const Json& stats, const char* key) {
  return counted(name, stats, key, Kind::kCounter);
}
StatsFact relayed(const char* name, const Json& stats, const char* key) {
  return {name, human_bytes(number_at(stats, key)), Kind::kBytes, number_at(stats, key)};
}
// {"packets": 3, "bytes": 180}
StatsFact carried(const char* name, const Json& stats, const char* key) {
  return {name, digits_at(stats.at(key), "packets") + " packets, " + bytes_at(stats, key),
          Kind::kBytes, number_at(stats.at(key), "bytes")};
}

}  // namespace

std::vector<StatsFact> facts_of_stats(const Json& stats) {
  return {{"version", text_at(stats, "version")},
          {"uptime", human_duration(number_at(stats, "uptime_ms"))},
          {"flows", share(stats, "flows", "flows_max"), Kind::kGauge, number_at(stats, "flows")},
          counter("flows opened", stats, "flows_opened"),
          counter("flows ended", stats, "flows_ended"),
          gauge("tunnels", stats, "tunnels"),
          counter("tunnels opened", stats, "tunnels_opened"),
          gauge("dials under way", stats, "dials"),
          gauge("relays", stats, "relays"),
          gauge("pipes in use", stats, "pipes_in_use"),
          gauge("pool sockets", stats, "pool_sockets"),
          relayed("relayed up", stats, "relayed_up_bytes"),
          relayed("relayed down", stats, "relayed_down_bytes"),
          carried("from tunnels", stats, "up"),
          carried("to tunnels", stats, "down"),
          counter("sandbox restarts", stats, "sandbox_restarts"),
          counter("audit events", stats, "audit_events"),
          counter("audit write errors", stats, "audit_write_errors"),
          counter("flow records sent", stats, "ipfix_sent"),
          counter("flow records lost", stats, "ipfix_lost"),
          counter("hook failures", stats, "hook_failures")};
}

std::vector<StatsFact> facts_of_rules(const Json& stats) {
  std::vector<StatsFact> facts;
  for (const Json& one : stats.at("rules")) {
    if (number_at(one, "flows") > 0) {
      const std::string name = "rule " + text_at(one, "rule") + " flows";
      facts.push_back(counter(name.c_str(), one, "flows"));
    }
  }
  for (const Json& one : stats.at("bandwidths")) {
    const std::string tenant = text_at(one, "tenant");
    const bool is_tenants = one.at("rule").is_null();
    const std::string whose = is_tenants ? "tenant " + tenant : bandwidth_of(one) + " of " + tenant;
    facts.push_back(relayed((whose + " carried").c_str(), one, "bytes"));
    facts.push_back(gauge((whose + " waiting").c_str(), one, "waiting"));
    facts.push_back(counter((whose + " dropped").c_str(), one.at("dropped"), "packets"));
  }
  return facts;
}

std::string change_text(const StatsFact& now, const StatsFact& before, double seconds) {
  if (now.kind == Kind::kText || now.number == before.number) {
    return "";
  }
  if (now.kind == Kind::kGauge) {
    return now.number > before.number ? "+" + std::to_string(now.number - before.number)
                                      : "-" + std::to_string(before.number - now.number);
  }
  if (now.number < before.number) {
    return "";  // the gateway began anew
  }
  const double gain = static_cast<double>(now.number - before.number) / seconds;
  return "+" +
         (now.kind == Kind::kBytes ? human_bytes(static_cast<std::uint64_t>(gain))
                                   : human_rate(gain)) +
         "/s";
}

}  // namespace flowctl
