#include "gateway/control/control_protocol.h"

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gateway {
namespace {

using nlohmann::json;
using Kind = ControlRequest::Kind;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::string_view kKinds =
    "ping, tunnels, tenants, flows, kill, nat, stats, drops, events, capture, explain, reload, "
    "hooks, log_level";

auto parsed(std::string_view line) {
  return parse_request(std::as_bytes(std::span(line)));
}

void expect_refused(std::string_view line, const std::string& message) {
  const auto request = parsed(line);
  ASSERT_FALSE(request) << line;
  EXPECT_EQ(request.error(), message) << line;
}

TEST(ControlRequest, IsReadBackAsItWasWritten) {
  for (const Kind kind : {Kind::kPing, Kind::kTunnels, Kind::kTenants, Kind::kFlows, Kind::kNat,
                          Kind::kStats, Kind::kDrops}) {
    const ControlRequest request{.kind = kind};
    const std::string line = request_line(request);
    ASSERT_TRUE(line.ends_with("}\n"));
    EXPECT_EQ(parsed(std::string_view(line).substr(0, line.size() - 1)).value(), request);
  }
  const ControlRequest kill{.kind = Kind::kKill, .flow_id = UINT64_MAX};
  EXPECT_EQ(parsed(R"({"request":"kill","id":18446744073709551615})").value(), kill);
  const ControlRequest events{.kind = Kind::kEvents, .filter = {"tenant=acme", "name=\"x\""}};
  const std::string line = request_line(events);
  EXPECT_EQ(parsed(std::string_view(line).substr(0, line.size() - 1)).value(), events);
  const ControlRequest capture{.kind = Kind::kCapture, .filter = {"id=1"}, .snap_bytes = 96};
  const std::string capture_line = request_line(capture);
  EXPECT_EQ(parsed(std::string_view(capture_line).substr(0, capture_line.size() - 1)).value(),
            capture);
  expect_refused(R"({"request":"capture","snaplen":-1})",
                 "request: 'snaplen' must be a number of bytes");
  EXPECT_EQ(request_line(kill), "{\"request\":\"kill\",\"id\":18446744073709551615}\n");
}

TEST(ControlRequest, ThatWeDoNotKnowIsToldWhatWeDo) {
  const std::string known(kKinds);
  expect_refused(R"({"request":"reboot"})", "request: 'reboot' is not one of " + known);
  expect_refused("{}", "request: 'request' must be one of " + known);
  expect_refused(R"({"request":7})", "request: 'request' must be one of " + known);
  expect_refused(R"({"request":"\u001b[2J"})", "request: '?[2J' is not one of " + known);
}

TEST(ControlRequest, UnknownKeysAreRefused) {
  expect_refused(R"({"request":"flows","filter":"x"})", "request: unknown key 'filter'");
  expect_refused(R"({"request":"flows","id":7})", "request: unknown key 'id'");
}

TEST(ControlRequest, FilterIsAListOfTexts) {
  EXPECT_EQ(parsed(R"({"request":"events"})").value(), ControlRequest{.kind = Kind::kEvents});
  for (const std::string bad : {"\"tenant=acme\"", "[1]", "null", "[[]]"}) {
    expect_refused(R"({"request":"events","filter":)" + bad + "}",
                   "request: 'filter' must be a list of texts");
  }
}

TEST(ControlRequest, FlowsSayHowManyRegionsTheyTake) {
  EXPECT_EQ(parsed(R"({"request":"flows"})").value().regions, 1U);
  EXPECT_EQ(request_line({.kind = Kind::kFlows}), "{\"request\":\"flows\"}\n");
  EXPECT_EQ(parsed(R"({"request":"flows","regions":128})").value(), flows_request());
  EXPECT_EQ(request_line(flows_request()), "{\"request\":\"flows\",\"regions\":128}\n");
  expect_refused(R"({"request":"flows","regions":"all"})",
                 "request: 'regions' must be a number of flow regions");
  expect_refused(R"({"request":"tunnels","regions":2})", "request: unknown key 'regions'");
}

TEST(ControlRequest, KillNeedsAnId) {
  expect_refused(R"({"request":"kill"})", "request: 'id' is missing: the flow to kill");
  for (const std::string bad : {"\"17\"", "-1", "1.5", "null"}) {
    expect_refused(R"({"request":"kill","id":)" + bad + "}",
                   "request: 'id' must be the id of a flow, a whole number");
  }
}

TEST(ControlRequest, ExplainSaysWhichPacket) {
  const ControlRequest explain{.kind = Kind::kExplain,
                               .query = {.packet = "tcp 10.0.0.2:4000 > 192.0.2.1:443",
                                         .tenant = "acme",
                                         .tunnel = "laptop \"17\"",
                                         .host = "example.com"}};
  const std::string line = request_line(explain);
  EXPECT_EQ(parsed(std::string_view(line).substr(0, line.size() - 1)).value(), explain);
  expect_refused(R"({"request":"explain"})", "request: 'packet' is missing: the packet to explain");
  expect_refused(R"({"request":"explain","packet":7})", "request: 'packet' must be a text");
  expect_refused(R"({"request":"explain","packet":"\u001b"})",
                 "request: 'packet' must be at most 253 printable bytes");
  expect_refused(R"({"request":"kill","packet":"x"})", "request: unknown key 'packet'");
}

TEST(ControlRequest, WhatIsNotOneJsonObjectIsRefused) {
  expect_refused("", "request: not JSON: it ends in the middle");
  expect_refused("flows", "request: not JSON at byte 2");
  expect_refused("[]", "request: must be a JSON object, and is array");
  expect_refused(R"({"request":"ping","request":"flows"})",
                 "request: 'request' stands there twice");
  expect_refused(std::string(kMaxRequestBytes + 1, ' '), "request: longer than 4096 bytes");
}

TEST(ControlReply, ExplanationSaysWhatFailedAndWhatIsNotKnown) {
  Explanation explanation;
  explanation.packet = "tcp 10.0.0.2:4000 > 192.0.2.1:443";
  explanation.tenant = "acme";
  explanation.rules = {{.rule = "dns", .key = "destination_port", .found = "443", .wanted = "53"},
                       {.rule = "rest", .matches = true}};
  explanation.rule = "rest";
  explanation.action = "drop";
  explanation.says = "dropped without an answer";
  explanation.limits = {{"flows", 3, 10}};
  EXPECT_EQ(json::parse(explain_reply(explanation)).at("explanation"), json::parse(R"({
    "packet": "tcp 10.0.0.2:4000 > 192.0.2.1:443", "tenant": "acme", "tunnel": null, "name": null,
    "flow": null, "rules": [
      {"rule": "dns", "matches": false, "key": "destination_port", "found": "443", "wanted": "53"},
      {"rule": "rest", "matches": true}],
    "app": null, "rule": "rest", "action": "drop", "upstream": null, "to_tunnel": null, "refusal": null,
    "says": "dropped without an answer", "bandwidths": [], "limits": [{"of": "flows", "used": 3, "most": 10}]})"));
}

TEST(ControlReply, ErrorHasACodeAndAMessage) {
  EXPECT_EQ(error_reply(ControlError::kNotFound, "no flow has the id 17"),
            "{\"ok\":false,\"code\":\"not_found\",\"error\":\"no flow has the id 17\"}\n");
}

json reply_of(Kind kind, const GatewayStatus& status) {
  const std::string line = status_reply(kind, status, 10 * kSecond);
  EXPECT_EQ(line.find('\n'), line.size() - 1) << "one line";
  const json reply = json::parse(line);
  EXPECT_EQ(reply.at("ok"), true);
  return reply;
}

TEST(ControlReply, TunnelsHaveEveryFact) {
  GatewayStatus status;
  status.tunnels = {{.id = 4,
                     .tenant = "acme",
                     .name = "laptop\n17",
                     .onramp = "seqpacket",
                     .addresses = {*base::IpPrefix::parse("100.64.0.2/32")},
                     .mtu_bytes = 1400,
                     .offload = true,
                     .labels = {{"user", "alice"}},
                     .opened_ns = 4 * kSecond,
                     .flows = 3,
                     .up = {.packets = 5, .bytes = 50},
                     .down = {.packets = 6, .bytes = 60},
                     .dropped_packets = 7}};

  EXPECT_EQ(reply_of(Kind::kTunnels, status).at("tunnels"), json::parse(R"([{
    "id": 4, "tenant": "acme", "name": "laptop\n17", "onramp": "seqpacket",
    "addresses": ["100.64.0.2/32"], "mtu": 1400, "offload": true, "labels": {"user": "alice"},
    "age_ms": 6000, "flows": 3, "up": {"packets": 5, "bytes": 50},
    "down": {"packets": 6, "bytes": 60}, "dropped_packets": 7}])"));
}

TEST(ControlReply, TenantsHaveEveryFact) {
  GatewayStatus status;
  status.tenants = {{.id = 1,
                     .name = "acme",
                     .tunnels = 2,
                     .flows = 3,
                     .max_flows = 4,
                     .dials = 5,
                     .max_dials = 6,
                     .half_open = 8,
                     .max_half_open = 9,
                     .connections = 10,
                     .max_connections = 11,
                     .flows_total = 7,
                     .gave_way_total = 12,
                     .bits_per_second = 13}};
  EXPECT_EQ(reply_of(Kind::kTenants, status).at("tenants"), json::parse(R"([{
    "id": 1, "name": "acme", "tunnels": 2, "flows": 3, "max_flows": 4, "dials": 5,
    "max_dials": 6, "half_open": 8, "max_half_open": 9, "connections": 10, "max_connections": 11,
    "flows_total": 7, "gave_way_total": 12, "bits_per_second": 13}])"));
}

TEST(ControlReply, FlowsBringTheNamesOfTheirNumbers) {
  GatewayStatus status;
  status.tenants = {{.id = 1, .name = "acme"}};
  status.tunnels.resize(1);
  status.tunnels[0].id = 4;
  status.tunnels[0].name = "laptop";
  status.rules = {"web", "rest"};
  EXPECT_EQ(reply_of(Kind::kFlows, status), json::parse(R"({
    "ok": true, "tenants": [{"id": 1, "name": "acme"}], "tunnels": [{"id": 4, "name": "laptop"}],
    "rules": ["web", "rest"]})"));
}

TEST(ControlReply, NatHasEveryFact) {
  GatewayStatus status;
  status.nat = {.claimed = 1,
                .capacity = 2,
                .first_v4 = "10.0.0.1",
                .first_v6 = "fd00::1",
                .first_port = 1024,
                .last_port = 65535,
                .exhausted = 3};
  EXPECT_EQ(reply_of(Kind::kNat, status).at("nat"), json::parse(R"({
    "claimed": 1, "capacity": 2, "first_v4": "10.0.0.1", "first_v6": "fd00::1",
    "first_port": 1024, "last_port": 65535, "exhausted": 3})"));
}

TEST(ControlReply, StatsHaveEveryCounter) {
  GatewayStatus status;
  status.stats = {.started_ns = 3 * kSecond,
                  .flows_opened = 1,
                  .flows_ended = 2,
                  .flows = 3,
                  .flows_max = 4,
                  .tunnels = 5,
                  .tunnels_opened = 6,
                  .dials = 7,
                  .relays = 8,
                  .pipes_in_use = 9,
                  .pool_sockets = 19,
                  .relayed_up_bytes = 10,
                  .relayed_down_bytes = 11,
                  .sandbox_restarts = 12,
                  .audit_events = 13,
                  .audit_write_errors = 14,
                  .ipfix_sent = 23,
                  .ipfix_lost = 24,
                  .hook_failures = 25,
                  .up = {.packets = 15, .bytes = 16},
                  .down = {.packets = 17, .bytes = 18}};
  status.rules = {"web"};
  status.rule_flows = {21};
  status.default_rule_flows = 22;
  json stats = reply_of(Kind::kStats, status).at("stats");
  EXPECT_TRUE(stats.at("version").is_string());
  stats.erase("version");
  EXPECT_EQ(stats, json::parse(R"({
    "uptime_ms": 7000, "flows": 3, "flows_max": 4, "flows_opened": 1, "flows_ended": 2,
    "tunnels": 5, "tunnels_opened": 6, "dials": 7, "relays": 8, "pipes_in_use": 9,
    "pool_sockets": 19,
    "relayed_up_bytes": 10, "relayed_down_bytes": 11, "sandbox_restarts": 12,
    "audit_events": 13, "audit_write_errors": 14,
    "ipfix_sent": 23, "ipfix_lost": 24, "hook_failures": 25, "up": {"packets": 15, "bytes": 16},
    "down": {"packets": 17, "bytes": 18},
    "rules": [{"rule": "web", "flows": 21}, {"rule": "default", "flows": 22}],
    "bandwidths": []})"));
}

TEST(ControlReply, BandwidthsSayWhoseTheyAre) {
  GatewayStatus status;
  status.rules = {"web"};
  status.tenants.resize(1);
  status.tenants[0].id = 7;
  status.tenants[0].name = "acme";
  status.bandwidths = {{.rule = 0,
                        .tenant = 7,
                        .bits_per_second = 1,
                        .bytes = 2,
                        .waits = 3,
                        .waited_ms = 4,
                        .waiting = 5,
                        .dropped = {.packets = 6, .bytes = 7}},
                       {.rule = flows::kDefaultRule, .tenant = 7, .dropped = {}}};
  const json bandwidths = reply_of(Kind::kStats, status).at("stats").at("bandwidths");
  ASSERT_EQ(bandwidths.size(), 2U);
  EXPECT_EQ(bandwidths[0], json::parse(R"({
    "rule": "web", "tenant": "acme", "bits_per_second": 1, "bytes": 2, "waits": 3,
    "waited_ms": 4, "waiting": 5, "dropped": {"packets": 6, "bytes": 7}})"));
  EXPECT_TRUE(bandwidths[1].at("rule").is_null());
}

TEST(ControlRequestText, LogLevelComesBack) {
  const ControlRequest request{.kind = Kind::kLogLevel, .level = "debug"};
  const std::string line = request_line(request);
  const auto read = parse_request(std::as_bytes(std::span(line.data(), line.size() - 1)));
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(*read, request);
  EXPECT_EQ(log_level_reply("debug"), "{\"ok\":true,\"level\":\"debug\"}\n");
}

TEST(ControlReply, DropsAreThoseOfPacketsAndOfTunnels) {
  GatewayStatus status;
  status.drops = {{.name = "no_flow", .meaning = "no such flow", .count = 5}};
  status.refusals = {{.name = "not_json", .meaning = "not JSON", .count = 0}};
  EXPECT_EQ(reply_of(Kind::kDrops, status).at("drops"), json::parse(R"([
    {"what": "packet", "name": "no_flow", "count": 5, "meaning": "no such flow"},
    {"what": "tunnel", "name": "not_json", "count": 0, "meaning": "not JSON"}])"));
}

}  // namespace
}  // namespace gateway
