#include "gateway/telemetry/api.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gateway/inspect/flow_json.h"
#include "gateway/inspect/status_json.h"
#include "gateway/inspect/traffic_rate.h"
#include "gateway/telemetry/http_request.h"

namespace gateway {
namespace {

struct Wanted {
  std::size_t limit = kUsualRows;
  FlowOrder by = FlowOrder::kRate;
  std::string_view by_name = "rate";
};

std::optional<std::size_t> count_in(std::string_view text) {
  std::size_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = failed == std::errc() && end == text.data() + text.size();
  return whole && !text.empty() && value <= kMostRows ? std::optional(value) : std::nullopt;
}

// Nothing: the query is wrong.
std::optional<Wanted> wanted_by(std::string_view query) {
  Wanted wanted;
  if (const auto limit = query_value(query, "limit")) {
    const auto count = count_in(*limit);
    if (!count) {
      return std::nullopt;
    }
    wanted.limit = *count;
  }
  if (const auto by = query_value(query, "by")) {
    const auto order = flow_order_named(*by);
    if (!order) {
      return std::nullopt;
    }
    wanted.by = *order;
    wanted.by_name = *by;
  }
  return wanted;
}

// The places in `list` of the `limit` that weigh most, in the order of the list: all of them, as a
// rule.
template <class List, class Weight>
std::vector<std::size_t> heaviest(const List& list, std::size_t limit, Weight weight) {
  std::vector<std::size_t> places(list.size());
  for (std::size_t i = 0; i < places.size(); ++i) {
    places[i] = i;
  }
  if (places.size() > limit) {
    const auto first_out = places.begin() + static_cast<std::ptrdiff_t>(limit);
    std::ranges::nth_element(places, first_out, [&](std::size_t a, std::size_t b) {
      return std::pair(weight(list[a]), b) > std::pair(weight(list[b]), a);
    });
    places.resize(limit);
    std::ranges::sort(places);
  }
  return places;
}

// What the numbers in a flow are called, as flowctl says it.
class FlowNamer {
 public:
  explicit FlowNamer(const GatewayStatus& status) : rules_(status.rules) {
    for (const TenantStatus& tenant : status.tenants) {
      tenants_.emplace(tenant.id, tenant.name);
    }
    for (const TunnelStatus& tunnel : status.tunnels) {
      tunnels_.emplace(tunnel.id, tunnel.name);
    }
    tunnels_.emplace(flows::kNone32, "-");
  }
  // Good until the next call.
  FlowNames names_of(const LiveView::SeenFlow& seen) {
    const flows::Flow& flow = seen.flow;
    rule_ = flow.rule == flows::kDefaultRule ? std::string(kDefaultRuleName)
            : flow.rule == flows::kHookRule  ? std::string(kHookRuleName)
            : flow.rule < rules_.size()      ? rules_[flow.rule]
                                             : "#" + std::to_string(flow.rule);
    return {.tenant = name_in(tenants_, flow.key.tenant),
            .tunnel = name_in(tunnels_, flow.tunnel),
            .rule = rule_,
            .host = seen.host.text()};
  }

 private:
  using Names = std::unordered_map<std::uint32_t, std::string>;

  static const std::string& name_in(Names& names, std::uint32_t id) {
    return names.try_emplace(id, "#" + std::to_string(id)).first->second;
  }

  Names tenants_;
  Names tunnels_;
  const std::vector<std::string>& rules_;
  std::string rule_;
};

void write_rate(JsonWriter& json, std::string_view key, const TrafficRate& rate) {
  json.open_object(key).number("bits_per_second",
                               static_cast<std::uint64_t>(std::llround(rate.bits)));
  json.number("packets_per_second", static_cast<std::uint64_t>(std::llround(rate.packets)));
  json.close_object();
}

void add_stats(JsonWriter& json, const LiveView& view, const Wanted&) {
  json.open_object("stats");
  write_stats(json, view.status().stats, view.at_ns());
  write_bandwidths(json, view.status());
  json.close_object();
}

void add_rules(JsonWriter& json, const LiveView& view, const Wanted& wanted) {
  std::vector<std::pair<std::string_view, std::uint64_t>> rules;
  for_each_rule(view.status(), [&](std::string_view rule, std::uint64_t flows) {
    rules.emplace_back(rule, flows);
  });
  json.open_array("rules");
  for (const std::size_t i :
       heaviest(rules, wanted.limit, [](const auto& rule) { return rule.second; })) {
    write_rule(json, rules[i].first, rules[i].second);
  }
  json.close_array().number("rules_total", rules.size());
}

void add_tenants(JsonWriter& json, const LiveView& view, const Wanted& wanted) {
  const auto& tenants = view.status().tenants;
  json.open_array("tenants");
  for (const std::size_t i :
       heaviest(tenants, wanted.limit, [](const TenantStatus& tenant) { return tenant.flows; })) {
    write_tenant(json, tenants[i]);
  }
  json.close_array().number("tenants_total", tenants.size());
}

void add_tunnels(JsonWriter& json, const LiveView& view, const Wanted& wanted) {
  const auto& tunnels = view.status().tunnels;
  json.open_array("tunnels");
  for (const std::size_t i : heaviest(tunnels, wanted.limit, [](const TunnelStatus& tunnel) {
         return tunnel.up.bytes + tunnel.down.bytes;
       })) {
    write_tunnel(json, tunnels[i], view.at_ns());
  }
  json.close_array().number("tunnels_total", tunnels.size());
}

void add_flows(JsonWriter& json, const LiveView& view, const Wanted& wanted) {
  FlowNamer namer(view.status());
  const auto& flows = view.flows(wanted.by);
  json.open_array("flows");
  for (std::size_t i = 0; i < std::min(flows.size(), wanted.limit); ++i) {
    json.open_object();
    write_flow(json, flows[i].flow, namer.names_of(flows[i]), view.at_ns());
    write_rate(json, "up_rate", flows[i].up);
    write_rate(json, "down_rate", flows[i].down);
    json.close_object();
  }
  json.close_array().number("flows_total", view.flow_count()).text("by", wanted.by_name);
  json.number("interval_ms", static_cast<std::uint64_t>(view.interval_ns() / 1'000'000));
}

void add_drops(JsonWriter& json, const LiveView& view, const Wanted&) {
  json.open_array("drops");
  write_counts(json, "packet", view.status().drops);
  write_counts(json, "tunnel", view.status().refusals);
  json.close_array();
}

using Add = void (*)(JsonWriter&, const LiveView&, const Wanted&);
constexpr std::array<std::pair<std::string_view, Add>, 6> kParts = {{{"stats", add_stats},
                                                                     {"rules", add_rules},
                                                                     {"tenants", add_tenants},
                                                                     {"tunnels", add_tunnels},
                                                                     {"flows", add_flows},
                                                                     {"drops", add_drops}}};
constexpr std::string_view kEverything = "overview";

HttpReply error_reply(std::string_view status, const std::string& why) {
  std::string body;
  JsonWriter(body).open_object().text("error", why).close_object();
  return {.status = status, .content_type = kJsonText, .body = body + '\n'};
}

}  // namespace

HttpReply api_reply(std::string_view path, std::string_view query, const LiveView& view) {
  const auto wanted = wanted_by(query);
  if (!wanted) {
    return error_reply("400 Bad Request", "limit is a number up to " + std::to_string(kMostRows) +
                                              ", by is rate, bytes or newest");
  }
  path.remove_prefix(std::min(std::string_view("/api/").size(), path.size()));
  HttpReply reply{.status = "200 OK", .content_type = kJsonText, .body = {}};
  JsonWriter json(reply.body);
  json.open_object();
  bool found = false;
  for (const auto& [name, add] : kParts) {
    if (path == name || path == kEverything) {
      add(json, view, *wanted);
      found = true;
    }
  }
  if (!found) {
    std::string known(kEverything);
    for (const auto& [name, add] : kParts) {
      known += ", " + std::string(name);
    }
    return error_reply("404 Not Found", "below /api/ there are " + known);
  }
  json.close_object();
  reply.body += '\n';
  return reply;
}

}  // namespace gateway
