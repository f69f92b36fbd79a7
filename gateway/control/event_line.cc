#include "gateway/control/event_line.h"

#include <variant>

#include "gateway/inspect/flow_json.h"
#include "gateway/inspect/json_writer.h"
#include "gateway/telemetry/audit_line.h"

namespace gateway {
namespace {

std::string text_of(std::chrono::system_clock::time_point time) {
  std::string text;
  append_time(text, time);
  return text;
}

void write_count(JsonWriter& json, std::string_view key, const flows::WireCount& count) {
  json.open_object(key).number("packets", count.packets).number("bytes", count.bytes);
  json.close_object();
}

}  // namespace

EventLine::EventLine(const EventFeed::Happened& happened, const AuditNames& names)
    : happened_(happened) {
  if (const auto* of_flow = std::get_if<AuditEvent>(&happened.event)) {
    const flows::Flow& flow = of_flow->flow;
    tenant_ = names.tenant(flow.key.tenant);
    tunnel_ = names.tunnel(flow.tunnel);
    rule_ =
        flow.rule == flows::kDefaultRule ? std::string(kDefaultRuleName) : names.rule(flow.rule);
  } else {
    const auto& of_tunnel = std::get<TunnelEvent>(happened.event);
    tenant_ = names.tenant(of_tunnel.tenant_id);
    tunnel_ = of_tunnel.name;
  }
}

bool EventLine::matches(const FlowFilter& filter) const {
  if (const auto* of_flow = std::get_if<AuditEvent>(&happened_.event)) {
    return filter.matches(of_flow->flow, {tenant_, tunnel_, rule_, of_flow->host}, happened_.at_ns);
  }
  const auto& of_tunnel = std::get<TunnelEvent>(happened_.event);
  return filter.matches_tunnel({.tenant_id = of_tunnel.tenant_id,
                                .tenant = tenant_,
                                .tunnel_id = of_tunnel.id,
                                .tunnel = tunnel_});
}

void EventLine::append_to(std::string& out) const {
  if (const auto* of_flow = std::get_if<AuditEvent>(&happened_.event)) {
    append_audit_line(out, *of_flow, {tenant_, tunnel_, rule_, of_flow->host}, happened_.at_ns);
  } else {
    append_tunnel(out, std::get<TunnelEvent>(happened_.event));
  }
}

void EventLine::append_tunnel(std::string& out, const TunnelEvent& event) const {
  const bool closes = event.kind == TunnelEvent::Kind::kClose;
  JsonWriter json(out);
  json.open_object().text("time", text_of(event.time));
  json.text("event", closes ? "tunnel_close" : "tunnel_open").text("tenant", tenant_);
  json.text("tunnel", tunnel_).number("tunnel_id", event.id).text("onramp", event.onramp);
  json.number("mtu", event.mtu_bytes);
  if (closes) {
    write_count(json, "up", event.up);
    write_count(json, "down", event.down);
    json.number("dropped_packets", event.dropped_packets);
  }
  json.close_object();
  out += '\n';
}

void append_lost_line(std::string& out, std::chrono::system_clock::time_point time,
                      std::uint64_t count) {
  JsonWriter(out)
      .open_object()
      .text("time", text_of(time))
      .text("event", "lost")
      .number("count", count)
      .close_object();
  out += '\n';
}

}  // namespace gateway
