#include "gateway/inspect/health.h"

#include <algorithm>

#include "gateway/inspect/json_writer.h"

namespace gateway {
namespace {

std::uint64_t milliseconds(std::int64_t nanoseconds) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(nanoseconds, 0)) / 1'000'000;
}

std::string_view name(Readiness readiness) {
  switch (readiness) {
    case Readiness::kOk:
      return "ok";
    case Readiness::kDegraded:
      return "degraded";
    case Readiness::kUnready:
      break;
  }
  return "unready";
}

void add_shard_problem(std::vector<HealthProblem>& problems, std::size_t number,
                       const ShardHealth& shard) {
  const std::string which = "shard " + std::to_string(number);
  if (shard.is_stuck()) {
    problems.push_back({true,
                        which + " is stuck: its loop has not turned for " +
                            std::to_string(milliseconds(shard.tick_age_ns) / 1000) + " s",
                        "If an app is linked, one of its hooks does not return (flowctl events and "
                        "the log say what came last); else the machine has stopped or starves the "
                        "gateway. If it stays, restart the gateway."});
  } else if (!shard.has_sandbox) {
    problems.push_back({true, which + " has no sandbox: it can upgrade no flow",
                        "Another is tried every second; the log says why it fails (\"sandbox not "
                        "restarted\"), and `liftgate doctor` what the machine lacks."});
  }
}

void add_audit_problem(std::vector<HealthProblem>& problems, const AuditHealth& audit) {
  if (!audit.error.empty()) {
    problems.push_back(
        {audit.refuses_flows,
         audit.refuses_flows
             ? "the audit log cannot be written, and so many lines wait that no flow may begin"
             : "the audit log cannot be written",
         "See to room on its disk, to its rights, to the reader of its pipe, or move it and reload "
         "with SIGHUP. What waits is written then."});
  }
}

void write_shard(JsonWriter& json, std::size_t number, const ShardHealth& shard) {
  json.open_object().number("shard", number).flag("ready", shard.is_ready());
  json.flag("sandbox", shard.has_sandbox);
  if (shard.helper == 0) {
    json.null("helper");
  } else {
    json.number("helper", static_cast<std::uint64_t>(shard.helper));
  }
  json.number("sandbox_restarts", shard.sandbox_restarts);
  json.number("tick_age_ms", milliseconds(shard.tick_age_ns));
  json.number("lag_ms", milliseconds(shard.lag_ns));
  json.number("flows", shard.flows).number("dials", shard.dials).close_object();
}

void write_error(JsonWriter& json, const std::string& error) {
  if (error.empty()) {
    json.null("error");
  } else {
    json.text("error", error);
  }
}

void write_parts(JsonWriter& json, const GatewayHealth& health) {
  json.open_array("shards");
  for (std::size_t i = 0; i < health.shards.size(); ++i) {
    write_shard(json, i, health.shards[i]);
  }
  json.close_array().number("flows", health.flows).number("flows_max", health.flows_max);
  const AuditHealth& audit = health.audit;
  if (audit.path.empty()) {
    json.null("audit");
  } else {
    json.open_object("audit").text("path", audit.path).flag("writable", audit.error.empty());
    json.number("waiting", audit.waiting).flag("refuses_flows", audit.refuses_flows);
    json.number("write_errors", audit.write_errors);
    write_error(json, audit.error);
    json.close_object();
  }
  if (!health.ipfix) {
    json.null("ipfix");
  } else {
    json.open_object("ipfix").text("collector", health.ipfix->collector);
    json.number("sent", health.ipfix->sent).number("lost", health.ipfix->lost);
    write_error(json, health.ipfix->error);
    json.close_object();
  }
  json.open_array("onramps");
  for (const OnrampHealth& onramp : health.onramps) {
    json.open_object().text("kind", onramp.kind).text("at", onramp.at);
    json.flag("listening", onramp.is_listening).close_object();
  }
  json.close_array();
}

}  // namespace

std::vector<HealthProblem> problems_of(const GatewayHealth& health) {
  std::vector<HealthProblem> problems;
  for (std::size_t i = 0; i < health.shards.size(); ++i) {
    add_shard_problem(problems, i, health.shards[i]);
  }
  add_audit_problem(problems, health.audit);
  for (std::size_t i = 0; i < health.onramps.size(); ++i) {
    if (!health.onramps[i].is_listening) {
      problems.push_back({false,
                          "on-ramp " + std::to_string(i) + " (" + health.onramps[i].kind +
                              ") cannot be reached: the file of its socket has gone",
                          "Tunnels that are open go on. Restart the gateway, and keep what cleans "
                          "up directories away from its own."});
    }
  }
  if (health.ipfix && !health.ipfix->error.empty()) {
    problems.push_back({false, "flow records do not reach the collector",
                        "See whether it runs, and whether telemetry.ipfix.collector is where."});
  }
  std::ranges::stable_sort(problems, std::ranges::greater(), &HealthProblem::is_serious);
  return problems;
}

Readiness readiness_of(const std::vector<HealthProblem>& problems) {
  if (problems.empty()) {
    return Readiness::kOk;
  }
  return problems.front().is_serious ? Readiness::kUnready : Readiness::kDegraded;
}

std::string health_text(const std::vector<HealthProblem>& problems) {
  if (readiness_of(problems) != Readiness::kUnready) {
    return "ok\n";
  }
  std::string text = "unready\n";
  for (const HealthProblem& problem : problems) {
    text += problem.what + ". " + problem.cure + "\n";
  }
  return text;
}

std::string health_json(const std::vector<HealthProblem>& problems, const GatewayHealth* health) {
  std::string text;
  JsonWriter json(text);
  json.open_object().text("status", name(readiness_of(problems))).open_array("problems");
  for (const HealthProblem& problem : problems) {
    json.open_object().flag("serious", problem.is_serious).text("what", problem.what);
    json.text("cure", problem.cure).close_object();
  }
  json.close_array();
  if (health != nullptr) {
    write_parts(json, *health);
  }
  json.close_object();
  return text + "\n";
}

}  // namespace gateway
