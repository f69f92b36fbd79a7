#include "tools/flowctl/commands.h"

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/time.h"
#include "base/utf8.h"
#include "tools/flowctl/capture_command.h"
#include "tools/flowctl/completion.h"
#include "tools/flowctl/events_command.h"
#include "tools/flowctl/explain_command.h"
#include "tools/flowctl/flow_output.h"
#include "tools/flowctl/gateway_access.h"
#include "tools/flowctl/hooks_command.h"
#include "tools/flowctl/human.h"
#include "tools/flowctl/json_text.h"
#include "tools/flowctl/reply.h"
#include "tools/flowctl/stats_facts.h"
#include "tools/flowctl/stats_watch.h"
#include "tools/flowctl/table.h"
#include "tools/flowctl/top_command.h"

namespace flowctl {
namespace {

using base::Unexpected;
using gateway::ControlRequest;
using Kind = ControlRequest::Kind;
using Done = base::Result<void, Failure>;
using Facts = std::vector<std::pair<std::string, std::string>>;

struct Context {
  const Options& options;
  Output& output;
  bool colours;
};

base::Result<Json, Failure> ask_for(const Context& context, const ControlRequest& request) {
  const auto reply = ask(choose_socket(context.options.socket), request);
  return reply ? granted(reply->line) : Unexpected{reply.error()};
}

void print_lines(Output& output, const Json& list) {
  std::string& text = output.text();
  std::string before = "[\n";
  for (const Json& one : list) {
    text += std::exchange(before, ",\n") + one.dump();
  }
  text += list.empty() ? "[]\n" : "\n]\n";
}

void print_object(Output& output, const Json& object) {
  output.text() += object.dump(2) + "\n";
}

void print_table(const Context& context, const std::vector<Column>& columns,
                 const std::vector<Row>& rows, std::string_view when_empty) {
  context.output.text() +=
      rows.empty() ? std::string(when_empty) : table_text(columns, rows, context.colours);
}

// "10.0.0.0/8, fd00::/8 and 3 more"
std::string addresses_text(const Json& list) {
  constexpr std::size_t kShown = 2;
  std::string text;
  for (std::size_t i = 0; i < list.size() && i < kShown; ++i) {
    text += (i == 0 ? "" : ", ") + base::printable(list[i].get<std::string>());
  }
  if (list.empty()) {
    return "any";
  }
  return list.size() > kShown ? text + " and " + std::to_string(list.size() - kShown) + " more"
                              : text;
}

// "10Mbit/s": in the greatest unit that divides it.
std::string bit_rate_text(std::uint64_t bits_per_second) {
  for (const auto& [unit, name] : {std::pair{std::uint64_t{1'000'000'000}, "Gbit/s"},
                                   {std::uint64_t{1'000'000}, "Mbit/s"},
                                   {std::uint64_t{1'000}, "kbit/s"}}) {
    if (bits_per_second % unit == 0) {
      return std::to_string(bits_per_second / unit) + name;
    }
  }
  return std::to_string(bits_per_second) + "bit/s";
}

std::string labels_text(const Json& labels) {
  std::string text;
  for (const auto& [key, value] : labels.items()) {
    text += (text.empty() ? "" : " ") + base::printable(key) + "=" +
            base::printable(value.get<std::string>());
  }
  return text;
}

Done tunnels(const Context& context) {
  const auto reply = ask_for(context, {.kind = Kind::kTunnels});
  if (!reply) {
    return Unexpected{reply.error()};
  }
  const Json& list = reply->at("tunnels");
  if (context.options.json) {
    print_lines(context.output, list);
    return {};
  }
  std::vector<Row> rows;
  for (const Json& one : list) {
    const std::uint64_t dropped = number_at(one, "dropped_packets");
    rows.push_back({{digits_at(one, "id")},
                    {text_at(one, "tenant")},
                    {text_at(one, "name")},
                    {text_at(one, "onramp")},
                    {addresses_text(one.at("addresses"))},
                    {digits_at(one, "mtu")},
                    {digits_at(one, "flows")},
                    {human_duration(number_at(one, "age_ms"))},
                    {bytes_at(one, "up")},
                    {bytes_at(one, "down")},
                    {std::to_string(dropped), dropped > 0 ? Style::kPending : Style::kPlain},
                    {labels_text(one.at("labels"))}});
  }
  print_table(context,
              {{"ID", true},
               {"TENANT"},
               {"NAME"},
               {"ON-RAMP"},
               {"ADDRESSES"},
               {"MTU", true},
               {"FLOWS", true},
               {"AGE", true},
               {"UP", true},
               {"DOWN", true},
               {"DROPPED", true},
               {"LABELS"}},
              rows, "No tunnel is open.\n");
  return {};
}

Done tenants(const Context& context) {
  const auto reply = ask_for(context, {.kind = Kind::kTenants});
  if (!reply) {
    return Unexpected{reply.error()};
  }
  const Json& list = reply->at("tenants");
  if (context.options.json) {
    print_lines(context.output, list);
    return {};
  }
  std::vector<Row> rows;
  for (const Json& one : list) {
    rows.push_back(
        {{digits_at(one, "id")},
         {text_at(one, "name")},
         {digits_at(one, "tunnels")},
         {share(one, "flows", "max_flows")},
         {share(one, "dials", "max_dials")},
         {share(one, "half_open", "max_half_open")},
         {share(one, "connections", "max_connections")},
         {one.at("bits_per_second").is_null() ? "-"
                                              : bit_rate_text(number_at(one, "bits_per_second"))},
         {digits_at(one, "flows_total")},
         {digits_at(one, "gave_way_total")}});
  }
  print_table(context,
              {{"ID", true},
               {"NAME"},
               {"TUNNELS", true},
               {"FLOWS", true},
               {"DIALS", true},
               {"HALF OPEN", true},
               {"CONNECTIONS", true},
               {"BANDWIDTH", true},
               {"FLOWS EVER", true},
               {"GAVE WAY", true}},
              rows, "There are no tenants.\n");
  return {};
}

std::int64_t now_ns() {
  return base::to_nanoseconds(base::Clock::now());
}

Done flows(const Context& context) {
  const auto filter = gateway::FlowFilter::parse(context.options.filter);
  if (!filter) {
    return Unexpected{Failure{ExitStatus::kUsage, filter.error()}};
  }
  const auto listing = FlowListing::ask(choose_socket(context.options.socket));
  if (!listing) {
    return Unexpected{listing.error()};
  }
  const FlowView view{*listing, *filter, now_ns(), context.options.flow_order};
  if (context.options.json) {
    print_flows_json(context.output, view);
  } else {
    print_flows_text(context.output, view, context.colours);
  }
  return {};
}

// "10Mbit/s at most with all flows of rule web; waited 12 times, 3s; dropped 0 packets"
std::string bandwidth_text(const Json& bandwidth) {
  const std::string of = bandwidth_of(bandwidth);
  return bit_rate_text(number_at(bandwidth, "bits_per_second")) + " at most with all flows of " +
         (bandwidth.at("rule").is_null() ? "the tenant" : of) + "; waited " +
         digits_at(bandwidth, "waits") + " times, " +
         human_duration(number_at(bandwidth, "waited_ms")) + "; dropped " +
         digits_at(bandwidth.at("dropped"), "packets") + " packets";
}

Done flow(const Context& context) {
  const auto listing = FlowListing::ask(choose_socket(context.options.socket));
  if (!listing) {
    return Unexpected{listing.error()};
  }
  const std::uint64_t id = context.options.flow_id;
  const auto found = listing->find(id);
  if (!found) {
    return Unexpected{Failure{ExitStatus::kFailed, "no flow has the id " + std::to_string(id)}};
  }
  flows::HostName host;
  const auto names = listing->names_of(*found, host);
  const auto stats = ask_for(context, {.kind = Kind::kStats});
  if (!stats) {
    return Unexpected{stats.error()};
  }
  Facts bounds;
  Json bounds_json = Json::array();
  for (const Json& one : stats->at("stats").at("bandwidths")) {
    const bool is_its_own = one.at("tenant") == names.tenant &&
                            (one.at("rule").is_null() || one.at("rule") == names.rule);
    if (is_its_own && !flows::is_denied(*found)) {
      bounds.emplace_back("bandwidth", bandwidth_text(one));
      bounds_json.push_back(one);
    }
  }
  if (context.options.json) {
    print_flow_json(context.output, *found, names, now_ns(), bounds_json.dump());
  } else {
    print_flow_text(context.output, *found, names, now_ns(), bounds, context.colours);
  }
  return {};
}

Done kill(const Context& context) {
  const std::uint64_t id = context.options.flow_id;
  const auto reply = ask_for(context, {.kind = Kind::kKill, .flow_id = id});
  if (!reply) {
    return Unexpected{reply.error()};
  }
  if (context.options.json) {
    print_object(context.output, Json{{"id", id}, {"killed", true}});
  } else {
    context.output.text() += "Flow " + std::to_string(id) + " was killed.\n";
  }
  return {};
}

Done log_level(const Context& context) {
  const auto reply = ask_for(context, {.kind = Kind::kLogLevel, .level = context.options.level});
  if (!reply) {
    return Unexpected{reply.error()};
  }
  if (context.options.json) {
    print_object(context.output, Json{{"level", reply->at("level")}});
  } else {
    context.output.text() += text_at(*reply, "level") + "\n";
  }
  return {};
}

Done nat(const Context& context) {
  const auto reply = ask_for(context, {.kind = Kind::kNat});
  if (!reply) {
    return Unexpected{reply.error()};
  }
  const Json& nat = reply->at("nat");
  if (context.options.json) {
    print_object(context.output, nat);
    return {};
  }
  context.output.text() +=
      facts_text({{"slots claimed", share(nat, "claimed", "capacity")},
                  {"first address", text_at(nat, "first_v4") + ", " + text_at(nat, "first_v6")},
                  {"ports", digits_at(nat, "first_port") + " to " + digits_at(nat, "last_port")},
                  {"flows refused", digits_at(nat, "exhausted")}},
                 context.colours);
  return {};
}

// Those that have decided anything.
void print_rules(const Context& context, const Json& rules) {
  std::vector<Row> rows;
  for (const Json& one : rules) {
    if (number_at(one, "flows") > 0) {
      rows.push_back({{text_at(one, "rule")}, {digits_at(one, "flows")}});
    }
  }
  if (!rows.empty()) {
    context.output.text() +=
        "\n" + table_text({{"RULE"}, {"FLOWS DECIDED", true}}, rows, context.colours);
  }
}

void print_bandwidths(const Context& context, const Json& bandwidths) {
  std::vector<Row> rows;
  for (const Json& one : bandwidths) {
    rows.push_back({{bandwidth_of(one)},
                    {text_at(one, "tenant")},
                    {bit_rate_text(number_at(one, "bits_per_second"))},
                    {human_bytes(number_at(one, "bytes"))},
                    {digits_at(one, "waits")},
                    {human_duration(number_at(one, "waited_ms"))},
                    {digits_at(one, "waiting")},
                    {digits_at(one.at("dropped"), "packets")}});
  }
  if (!rows.empty()) {
    context.output.text() += "\n" + table_text({{"BANDWIDTH OF"},
                                                {"TENANT"},
                                                {"AT MOST", true},
                                                {"CARRIED", true},
                                                {"WAITS", true},
                                                {"WAITED", true},
                                                {"WAITING", true},
                                                {"DROPPED", true}},
                                               rows, context.colours);
  }
}

Done stats(const Context& context) {
  if (context.options.watch) {
    return watch_stats(context.options, context.output, context.colours);
  }
  const auto reply = ask_for(context, {.kind = Kind::kStats});
  if (!reply) {
    return Unexpected{reply.error()};
  }
  const Json& stats = reply->at("stats");
  if (context.options.json) {
    print_object(context.output, stats);
  } else {
    Facts facts;
    for (const StatsFact& fact : facts_of_stats(stats)) {
      facts.emplace_back(fact.name, fact.text);
    }
    context.output.text() += facts_text(facts, context.colours);
    print_rules(context, stats.at("rules"));
    print_bandwidths(context, stats.at("bandwidths"));
  }
  return {};
}

Done drops(const Context& context) {
  const auto reply = ask_for(context, {.kind = Kind::kDrops});
  if (!reply) {
    return Unexpected{reply.error()};
  }
  const Json& list = reply->at("drops");
  if (context.options.json) {
    print_lines(context.output, list);
    return {};
  }
  std::vector<Row> rows;
  for (const Json& one : list) {
    const std::uint64_t count = number_at(one, "count");
    if (count > 0 || context.options.all) {
      rows.push_back({{std::to_string(count), count > 0 ? Style::kPending : Style::kFaint},
                      {text_at(one, "what")},
                      {text_at(one, "name")},
                      {text_at(one, "meaning")}});
    }
  }
  print_table(context, {{"COUNT", true}, {"OF"}, {"REASON"}, {"MEANING"}}, rows,
              "Nothing was dropped, and no tunnel was refused.\n");
  return {};
}

Done run_command(const Context& context) {
  switch (context.options.command) {
    case Command::kTunnels:
      return tunnels(context);
    case Command::kTenants:
      return tenants(context);
    case Command::kFlows:
      return flows(context);
    case Command::kFlow:
      return context.options.hooks ? hooks_of_flow(context.options, context.output, context.colours)
                                   : flow(context);
    case Command::kKill:
      return kill(context);
    case Command::kLogLevel:
      return log_level(context);
    case Command::kNat:
      return nat(context);
    case Command::kStats:
      return stats(context);
    case Command::kDrops:
      return drops(context);
    case Command::kEvents:
      return follow_events(context.options, context.output);
    case Command::kCapture:
      return capture(context.options);
    case Command::kTop:
      return top(context.options, context.output, context.colours);
    case Command::kCompletion:
      context.output.text() += completion(context.options.shell);
      return {};
    case Command::kExplain:
      return explain(context.options, context.output, context.colours);
    case Command::kNone:
      break;
  }
  return Unexpected{Failure{ExitStatus::kUsage, "no command"}};
}

}  // namespace

Done run(const Options& options, Output& output, bool colours) {
  try {
    return run_command({options, output, colours});
  } catch (const nlohmann::json::exception& exception) {
    return Unexpected{
        Failure{ExitStatus::kFailed, std::string("the gateway's reply is not what we expect (") +
                                         exception.what() +
                                         "); flowctl and liftgate must be of the same version"}};
  }
}

}  // namespace flowctl
