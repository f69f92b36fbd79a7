#include "gateway/control/control_protocol.h"

#include <array>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/utf8.h"
#include "gateway/inspect/flow_json.h"
#include "gateway/inspect/json_writer.h"
#include "gateway/inspect/status_json.h"
#include "gateway/inspect/strict_json.h"
#include "gateway/inspect/version.h"

namespace gateway {
namespace {

using nlohmann::json;
using Kind = ControlRequest::Kind;

constexpr std::size_t kMostDepth = 4;
constexpr std::size_t kShownBytes = 64;
constexpr std::size_t kMostTextBytes = 253;        // as a host name has
constexpr std::size_t kMostPathTextBytes = 1'500;  // so that it fits the request however escaped
constexpr std::array kKinds = {Kind::kPing,   Kind::kTunnels, Kind::kTenants, Kind::kFlows,
                               Kind::kKill,   Kind::kNat,     Kind::kStats,   Kind::kDrops,
                               Kind::kEvents, Kind::kCapture, Kind::kExplain, Kind::kReload,
                               Kind::kHooks,  Kind::kLogLevel};

base::Unexpected<std::string> refused(const std::string& why) {
  return base::Unexpected{"request: " + why};
}

std::string shown(std::string_view text) {
  return "'" + base::printable(text, kShownBytes) + "'";
}

std::string known_kinds() {
  std::string list;
  for (const Kind kind : kKinds) {
    list += (list.empty() ? "" : ", ") + std::string(name(kind));
  }
  return list;
}

base::Result<std::vector<std::string>, std::string> filter_in(const json& member) {
  const auto refusal = refused("'filter' must be a list of texts");
  if (!member.is_array()) {
    return refusal;
  }
  std::vector<std::string> filter;
  for (const json& term : member) {
    if (!term.is_string()) {
      return refusal;
    }
    filter.push_back(term.get<std::string>());
  }
  return filter;
}

base::Result<Kind, std::string> kind_of(const json& request) {
  const auto found = request.find("request");
  if (found == request.end() || !found->is_string()) {
    return refused("'request' must be one of " + known_kinds());
  }
  const auto& text = found->get_ref<const std::string&>();
  for (const Kind kind : kKinds) {
    if (name(kind) == text) {
      return kind;
    }
  }
  return refused(shown(text) + " is not one of " + known_kinds());
}

void write_name(JsonWriter& reply, std::uint32_t id, std::string_view text) {
  reply.open_object().number("id", id).text("name", text).close_object();
}

void write_flow_names(JsonWriter& reply, const GatewayStatus& status) {
  reply.open_array("tenants");
  for (const TenantStatus& tenant : status.tenants) {
    write_name(reply, tenant.id, tenant.name);
  }
  reply.close_array().open_array("tunnels");
  for (const TunnelStatus& tunnel : status.tunnels) {
    write_name(reply, tunnel.id, tunnel.name);
  }
  reply.close_array().open_array("rules");
  for (const std::string& rule : status.rules) {
    reply.element(rule);
  }
  reply.close_array();
}

void write_rules(JsonWriter& reply, const GatewayStatus& status) {
  reply.open_array("rules");
  for_each_rule(
      status, [&](std::string_view rule, std::uint64_t flows) { write_rule(reply, rule, flows); });
  reply.close_array();
}

void write_verdicts(JsonWriter& reply, const std::vector<RuleVerdict>& rules) {
  reply.open_array("rules");
  for (const RuleVerdict& verdict : rules) {
    reply.open_object().text("rule", verdict.rule).flag("matches", verdict.matches);
    if (!verdict.matches) {
      reply.text("key", verdict.key).text("found", verdict.found).text("wanted", verdict.wanted);
    }
    reply.close_object();
  }
  reply.close_array();
}

void write_or_null(JsonWriter& reply, std::string_view key, std::string_view text) {
  text.empty() ? reply.null(key) : reply.text(key, text);
}

void write_app(JsonWriter& reply, const std::optional<AppVerdict>& app) {
  if (!app) {
    reply.null("app");
    return;
  }
  reply.open_object("app").text("name", app->app).text("hook", "flow_decide");
  write_or_null(reply, "answer", app->answer);
  reply.flag("failed", app->failed).close_object();
}

void write_explanation(JsonWriter& reply, const Explanation& explanation) {
  reply.open_object("explanation").text("packet", explanation.packet);
  reply.text("tenant", explanation.tenant);
  write_or_null(reply, "tunnel", explanation.tunnel);
  if (!explanation.tunnel.empty()) {
    reply.number("tunnel_id", explanation.tunnel_id);
  }
  write_or_null(reply, "name", explanation.host);
  explanation.flow ? reply.number("flow", *explanation.flow) : reply.null("flow");
  write_verdicts(reply, explanation.rules);
  write_app(reply, explanation.app);
  reply.text("rule", explanation.rule).text("action", explanation.action);
  if (!explanation.then.empty()) {
    reply.text("then", explanation.then);
  }
  if (explanation.mark != 0) {
    reply.number("mark", explanation.mark);
  }
  if (!explanation.dscp.empty()) {
    reply.text("dscp", explanation.dscp);
  }
  write_or_null(reply, "upstream", explanation.upstream);
  write_or_null(reply, "to_tunnel", explanation.to_tunnel);
  write_or_null(reply, "refusal", explanation.refusal.value_or(""));
  reply.text("says", explanation.says).open_array("bandwidths");
  for (const ExplainedBandwidth& bandwidth : explanation.bandwidths) {
    reply.open_object().text("of", bandwidth.of).text("bound", bandwidth.bound);
    reply.number("bits_per_second", bandwidth.bits_per_second).close_object();
  }
  reply.close_array().open_array("limits");
  for (const Usage& usage : explanation.limits) {
    reply.open_object().text("of", usage.of).number("used", usage.used);
    reply.number("most", usage.most).close_object();
  }
  reply.close_array().close_object();
}

// The text of a member that a request may have.
base::Result<void, std::string> read_text(const json& member, std::string_view key,
                                          std::size_t most_bytes, std::string& into) {
  if (!member.is_string()) {
    return refused("'" + std::string(key) + "' must be a text");
  }
  const auto& text = member.get_ref<const std::string&>();
  if (text.size() > most_bytes || !base::is_printable(text)) {
    return refused("'" + std::string(key) + "' must be at most " + std::to_string(most_bytes) +
                   " printable bytes");
  }
  into = text;
  return {};
}

// Where the query has the member of that name; null when it has none.
std::string* text_of(ExplainQuery& query, std::string_view key) {
  if (key == "packet") {
    return &query.packet;
  }
  if (key == "tenant") {
    return &query.tenant;
  }
  if (key == "tunnel") {
    return &query.tunnel;
  }
  return key == "name" ? &query.host : nullptr;
}

}  // namespace

std::string_view name(ControlRequest::Kind kind) {
  switch (kind) {
    case Kind::kPing:
      return "ping";
    case Kind::kTunnels:
      return "tunnels";
    case Kind::kTenants:
      return "tenants";
    case Kind::kFlows:
      return "flows";
    case Kind::kKill:
      return "kill";
    case Kind::kNat:
      return "nat";
    case Kind::kStats:
      return "stats";
    case Kind::kDrops:
      return "drops";
    case Kind::kEvents:
      return "events";
    case Kind::kCapture:
      return "capture";
    case Kind::kExplain:
      return "explain";
    case Kind::kHooks:
      return "hooks";
    case Kind::kLogLevel:
      return "log_level";
    case Kind::kReload:
      return "reload";
  }
  base::check_failed("kind is a ControlRequest::Kind", __FILE__, __LINE__);
}

std::string_view name(ControlError error) {
  switch (error) {
    case ControlError::kBadRequest:
      return "bad_request";
    case ControlError::kNotAllowed:
      return "not_allowed";
    case ControlError::kBusy:
      return "busy";
    case ControlError::kNotFound:
      return "not_found";
    case ControlError::kBadConfig:
      return "bad_config";
    case ControlError::kFailed:
      return "failed";
  }
  base::check_failed("error is a ControlError", __FILE__, __LINE__);
}

base::Result<ControlRequest, std::string> parse_request(std::span<const std::byte> line) {
  if (line.size() > kMaxRequestBytes) {
    return refused("longer than " + std::to_string(kMaxRequestBytes) + " bytes");
  }
  const auto value = parse_strict_json(line, kMostDepth);
  if (!value) {
    return refused(value.error().message);
  }
  if (!value->is_object()) {
    return refused(std::string("must be a JSON object, and is ") + value->type_name());
  }
  const auto kind = kind_of(*value);
  if (!kind) {
    return base::Unexpected{kind.error()};
  }
  ControlRequest request{.kind = *kind};
  for (const auto& [key, member] : value->items()) {
    if (key == "id" && (*kind == Kind::kKill || *kind == Kind::kHooks)) {
      if (!member.is_number_unsigned()) {
        return refused("'id' must be the id of a flow, a whole number");
      }
      request.flow_id = member.get<std::uint64_t>();
    } else if (key == "filter" && (*kind == Kind::kEvents || *kind == Kind::kCapture)) {
      auto filter = filter_in(member);
      if (!filter) {
        return base::Unexpected{filter.error()};
      }
      request.filter = std::move(filter).value();
    } else if (key == "snaplen" && *kind == Kind::kCapture) {
      if (!member.is_number_unsigned() || member.get<std::uint64_t>() > UINT32_MAX) {
        return refused("'snaplen' must be a number of bytes");
      }
      request.snap_bytes = member.get<std::uint32_t>();
    } else if (key == "regions" && *kind == Kind::kFlows) {
      if (!member.is_number_unsigned()) {
        return refused("'regions' must be a number of flow regions");
      }
      request.regions = member.get<std::size_t>();
    } else if (std::string* text = text_of(request.query, key);
               text != nullptr && *kind == Kind::kExplain) {
      if (auto read = read_text(member, key, kMostTextBytes, *text); !read) {
        return base::Unexpected{read.error()};
      }
    } else if (key == "config" && *kind == Kind::kReload) {
      if (auto read = read_text(member, key, kMostPathTextBytes, request.config); !read) {
        return base::Unexpected{read.error()};
      }
    } else if (key == "level" && *kind == Kind::kLogLevel) {
      if (auto read = read_text(member, key, kShownBytes, request.level); !read) {
        return base::Unexpected{read.error()};
      }
    } else if (key != "request") {
      return refused("unknown key " + shown(key));
    }
  }
  if (*kind == Kind::kKill && !value->contains("id")) {
    return refused("'id' is missing: the flow to kill");
  }
  if (*kind == Kind::kHooks && !value->contains("id")) {
    return refused("'id' is missing: the flow whose hooks are wanted");
  }
  if (*kind == Kind::kExplain && !value->contains("packet")) {
    return refused("'packet' is missing: the packet to explain");
  }
  return request;
}

std::string request_line(const ControlRequest& request) {
  std::string line;
  JsonWriter json(line);
  json.open_object().text("request", name(request.kind));
  if (request.kind == Kind::kKill || request.kind == Kind::kHooks) {
    json.number("id", request.flow_id);
  }
  if (!request.filter.empty()) {
    json.open_array("filter");
    for (const std::string& term : request.filter) {
      json.element(term);
    }
    json.close_array();
  }
  if (request.snap_bytes > 0) {
    json.number("snaplen", request.snap_bytes);
  }
  if (!request.config.empty()) {
    json.text("config", request.config);
  }
  if (!request.level.empty()) {
    json.text("level", request.level);
  }
  if (request.kind == Kind::kFlows && request.regions != 1) {
    json.number("regions", request.regions);
  }
  if (request.kind == Kind::kExplain) {
    json.text("packet", request.query.packet).text("tenant", request.query.tenant);
    json.text("tunnel", request.query.tunnel).text("name", request.query.host);
  }
  json.close_object();
  return line + '\n';
}

std::string error_reply(ControlError error, std::string_view message) {
  std::string line;
  JsonWriter(line)
      .open_object()
      .flag("ok", false)
      .text("code", name(error))
      .text("error", message)
      .close_object();
  return line + '\n';
}

std::string ping_reply() {
  std::string line;
  JsonWriter(line).open_object().flag("ok", true).text("version", version()).close_object();
  return line + '\n';
}

std::string kill_reply() {
  return "{\"ok\":true}\n";
}

std::string events_reply() {
  return "{\"ok\":true}\n";
}

std::string reload_reply(const ReloadReport& report) {
  std::string line;
  JsonWriter reply(line);
  if (!report.problems.empty()) {
    reply.open_object().flag("ok", false).text("code", name(ControlError::kBadConfig));
    reply.text("error", report.problems.front()).open_array("problems");
    for (const std::string& problem : report.problems) {
      reply.element(problem);
    }
    reply.close_array().close_object();
    return line + '\n';
  }
  reply.open_object().flag("ok", true).open_object("reload").number("rules", report.rules);
  reply.number("flows_ended", report.flows_ended).number("shards_late", report.shards_late);
  reply.open_array("after_restart");
  for (const std::string& key : report.after_restart) {
    reply.element(key);
  }
  reply.close_array().close_object().close_object();
  return line + '\n';
}

std::string hooks_reply(const HookReport& report) {
  std::string line;
  JsonWriter reply(line);
  reply.open_object().flag("ok", true).open_object("hooks").number("flow", report.flow);
  reply.number("count", report.count).open_array("calls");
  for (const HookCallReport& call : report.calls) {
    reply.open_object().text("app", call.app).text("hook", call.hook).text("kind", call.kind);
    reply.number("at_us", call.at_us).number("took_ns", call.took_ns);
    if (call.answer.empty()) {
      reply.null("answer");
    } else {
      reply.text("answer", call.answer);
    }
    reply.flag("failed", call.failed).close_object();
  }
  reply.close_array().close_object().close_object();
  return line + '\n';
}

std::string log_level_reply(std::string_view level) {
  std::string line;
  JsonWriter(line).open_object().flag("ok", true).text("level", level).close_object();
  return line + '\n';
}

std::string explain_reply(const Explanation& explanation) {
  std::string line;
  JsonWriter reply(line);
  reply.open_object().flag("ok", true);
  write_explanation(reply, explanation);
  reply.close_object();
  return line + '\n';
}

std::string status_reply(Kind kind, const GatewayStatus& status, std::int64_t now_ns) {
  std::string line;
  JsonWriter reply(line);
  reply.open_object().flag("ok", true);
  switch (kind) {
    case Kind::kTunnels:
      reply.open_array("tunnels");
      for (const TunnelStatus& tunnel : status.tunnels) {
        write_tunnel(reply, tunnel, now_ns);
      }
      reply.close_array();
      break;
    case Kind::kTenants:
      reply.open_array("tenants");
      for (const TenantStatus& tenant : status.tenants) {
        write_tenant(reply, tenant);
      }
      reply.close_array();
      break;
    case Kind::kFlows:
    case Kind::kCapture:
      write_flow_names(reply, status);
      break;
    case Kind::kNat:
      write_nat(reply, status.nat);
      break;
    case Kind::kStats:
      reply.open_object("stats");
      write_stats(reply, status.stats, now_ns);
      write_rules(reply, status);
      write_bandwidths(reply, status);
      reply.close_object();
      break;
    case Kind::kDrops:
      reply.open_array("drops");
      write_counts(reply, "packet", status.drops);
      write_counts(reply, "tunnel", status.refusals);
      reply.close_array();
      break;
    case Kind::kPing:
    case Kind::kKill:
    case Kind::kEvents:
    case Kind::kExplain:
    case Kind::kHooks:
    case Kind::kLogLevel:
    case Kind::kReload:
      base::check_failed("the reply is made of the status", __FILE__, __LINE__);
  }
  reply.close_object();
  return line + '\n';
}

}  // namespace gateway
