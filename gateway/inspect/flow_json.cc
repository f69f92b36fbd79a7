#include "gateway/inspect/flow_json.h"

#include <array>
#include <charconv>

#include "flows/protocol.h"

namespace gateway {
namespace {

void write_endpoint(JsonWriter& json, std::string_view key, const base::Endpoint& endpoint,
                    std::string& scratch) {
  scratch.assign(1, '"');
  append_endpoint(scratch, endpoint);
  scratch += '"';
  json.raw(key, scratch);
}

void write_count(JsonWriter& json, std::string_view key, const flows::WireCount& count) {
  json.open_object(key).number("packets", count.packets).number("bytes", count.bytes);
  json.close_object();
}

}  // namespace

void append_endpoint(std::string& out, const base::Endpoint& endpoint) {
  if (endpoint.address.is_v4()) {
    const std::uint32_t address = endpoint.address.v4_number();
    for (int shift = 24; shift >= 0; shift -= 8) {
      append_number(out, (address >> static_cast<unsigned>(shift)) & 0xffU);
      out += shift > 0 ? '.' : ':';
    }
  } else {
    out += '[';
    out += endpoint.address.to_string();
    out += "]:";
  }
  append_number(out, base::number(endpoint.port));
}

std::string mark_text(std::uint32_t mark) {
  constexpr int kHex = 16;
  std::array<char, 2 + 8> text{'0', 'x'};
  const auto [end, failed] = std::to_chars(text.data() + 2, text.data() + text.size(), mark, kHex);
  return {text.data(), end};
}

std::uint64_t milliseconds_between(std::int64_t then_ns, std::int64_t now_ns) {
  constexpr std::int64_t kNanosecondsPerMillisecond = 1'000'000;
  return then_ns >= now_ns
             ? 0
             : (static_cast<std::uint64_t>(now_ns) - static_cast<std::uint64_t>(then_ns)) /
                   static_cast<std::uint64_t>(kNanosecondsPerMillisecond);
}

void write_flow(JsonWriter& json, const flows::Flow& flow, const FlowNames& names,
                std::int64_t now_ns) {
  std::string scratch;
  json.number("id", flow.id).text("tenant", names.tenant).text("tunnel", names.tunnel);
  if (flow.tunnel == flows::kNone32) {
    json.null("tunnel_id");
  } else {
    json.number("tunnel_id", flow.tunnel);
  }
  json.text("protocol", flows::protocol_name(flow.key.protocol));
  write_endpoint(json, "source", flow.key.source, scratch);
  write_endpoint(json, "destination", flow.key.destination, scratch);
  if (names.host.empty()) {
    json.null("name");
  } else {
    json.text("name", names.host);
  }
  json.text("action", flows::name(flow.action));
  if (flows::is_upgraded_then_downgraded(flow)) {
    json.text("then", flows::name(flows::Action::kDowngrade));
  }
  json.text("rule", names.rule);
  if (flow.mark != 0) {
    json.number("mark", flow.mark);
  }
  if (flow.dscp != flows::kOwnDscp) {
    json.text("dscp", flows::dscp_text(flow.dscp));
  }
  json.text("state", flows::name(flow.state))
      .number("age_ms", milliseconds_between(flow.created_ns, now_ns));
  if (has_upstream(flow)) {
    write_endpoint(json, "upstream", flow.upstream, scratch);
  } else {
    json.null("upstream");
  }
  json.number("idle_ms", milliseconds_between(flow.last_seen_ns, now_ns));
  write_count(json, "up", flow.up);
  write_count(json, "down", flow.down);
}

}  // namespace gateway
