#include "gateway/telemetry/audit_line.h"

#include "base/check.h"

namespace gateway {
namespace {

std::string_view name(AuditEvent::Kind kind) {
  switch (kind) {
    case AuditEvent::Kind::kFlowStart:
      return "flow_start";
    case AuditEvent::Kind::kFlowEnd:
      return "flow_end";
  }
  base::check_failed("kind is an AuditEvent::Kind", __FILE__, __LINE__);
}

void append_padded(std::string& out, std::uint64_t value, std::size_t digits) {
  const std::string text = std::to_string(value);
  out.append(digits > text.size() ? digits - text.size() : 0, '0');
  out += text;
}

}  // namespace

void append_time(std::string& out, std::chrono::system_clock::time_point time) {
  const auto microseconds = std::chrono::floor<std::chrono::microseconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(microseconds);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(microseconds - day);
  append_padded(out, static_cast<std::uint64_t>(static_cast<int>(date.year())), 4);
  out += '-';
  append_padded(out, static_cast<unsigned>(date.month()), 2);
  out += '-';
  append_padded(out, static_cast<unsigned>(date.day()), 2);
  out += 'T';
  append_padded(out, static_cast<std::uint64_t>(clock.hours().count()), 2);
  out += ':';
  append_padded(out, static_cast<std::uint64_t>(clock.minutes().count()), 2);
  out += ':';
  append_padded(out, static_cast<std::uint64_t>(clock.seconds().count()), 2);
  out += '.';
  append_padded(out, static_cast<std::uint64_t>(clock.subseconds().count()), 6);
  out += 'Z';
}

void append_audit_line(std::string& out, const AuditEvent& event, const FlowNames& names,
                       std::int64_t now_ns) {
  std::string time;
  append_time(time, event.time);
  JsonWriter json(out);
  json.open_object().text("time", time).text("event", name(event.kind));
  json.number("flow", event.flow.id);
  write_flow(json, event.flow, names, now_ns);
  if (event.kind == AuditEvent::Kind::kFlowEnd) {
    json.text("reason", flows::name(event.flow.end_reason));
    if (event.flow.key.protocol == flows::Protocol::kTcp) {
      json.number("rtt_us", event.flow.client_rtt_us)
          .number("retransmits", event.flow.client_retransmits);
    }
  }
  json.close_object();
  out += '\n';
}

}  // namespace gateway
