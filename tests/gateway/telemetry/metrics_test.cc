#include "gateway/telemetry/metrics.h"

#include <regex>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway {
namespace {

using testing::HasSubstr;

GatewayStatus busy_status() {
  GatewayStatus status;
  status.tenants.push_back({.id = 1, .name = "acme", .tunnels = 2, .flows = 3, .flows_total = 9});
  status.tenants.push_back({.id = 2, .name = "a\"b\\c", .tunnels = 0, .flows = 0});
  status.drops = {{"bad_checksum", "", 4}, {"no_flow", "", 5}};
  status.refusals = {{"not_json", "", 1}};
  status.rules = {"web"};
  status.bandwidths = {
      {.rule = 0,
       .tenant = 1,
       .bits_per_second = 8'000,
       .waits = 3,
       .waited_ms = 1'500,
       .dropped = {}},
      {.rule = flows::kDefaultRule, .tenant = 2, .bits_per_second = 9'000, .dropped = {4, 500}}};
  status.nat.claimed = 7;
  status.stats.started_ns = 1'000'000'000;
  status.stats.flows = 3;
  status.stats.up = {.packets = 10, .bytes = 1000};
  status.stats.down = {.packets = 20, .bytes = 2000};
  return status;
}

TEST(Metrics, SayWhatTheGatewayCounted) {
  const std::string text = metrics_text(busy_status(), 3'500'000'000);
  EXPECT_THAT(text, HasSubstr("\nliftgate_packets_total{direction=\"up\"} 10\n"));
  EXPECT_THAT(text, HasSubstr("\nliftgate_bytes_total{direction=\"down\"} 2000\n"));
  EXPECT_THAT(text, HasSubstr("\nliftgate_drops_total{reason=\"bad_checksum\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("\nliftgate_tunnels_refused_total{reason=\"not_json\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nliftgate_tenant_flows{tenant=\"acme\"} 3\n"));
  EXPECT_THAT(
      text,
      HasSubstr("\nliftgate_bandwidth_limit_bits_per_second{tenant=\"acme\",rule=\"web\"} 8000\n"));
  EXPECT_THAT(text, HasSubstr("_wait_seconds_total{tenant=\"acme\",rule=\"web\"} 1.500\n"));
  EXPECT_THAT(text, HasSubstr("_dropped_packets_total{tenant=\"a\\\"b\\\\c\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("\nliftgate_nat_bindings 7\n"));
  EXPECT_THAT(text, HasSubstr("\nliftgate_uptime_seconds 2.500\n"));
}

TEST(Metrics, LabelsAreEscaped) {
  EXPECT_THAT(metrics_text(busy_status(), 0), HasSubstr("{tenant=\"a\\\"b\\\\c\"} 0\n"));
}

// The rules of the format: each sample belongs to the family announced above it, each family is
// announced once, counters end in _total and nothing else does.
TEST(Metrics, AreWellFormed) {
  static const std::regex kSample(
      R"re((liftgate_[a-z_]+)(\{[a-z]+="([^"\\]|\\.)*"(,[a-z]+="([^"\\]|\\.)*")*\})? -?[0-9.]+)re");
  std::istringstream lines(metrics_text(busy_status(), 5'000'000'000));
  std::set<std::string> families;
  std::string family;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string hash, what, name, type;
    words >> hash >> what >> name >> type;
    if (what == "TYPE") {
      EXPECT_EQ(name, family);
      EXPECT_EQ(type == "counter", name.ends_with("_total")) << line;
    } else if (what == "HELP") {
      EXPECT_TRUE(families.insert(name).second) << line;
      family = name;
    } else {
      std::smatch match;
      ASSERT_TRUE(std::regex_match(line, match, kSample)) << line;
      EXPECT_EQ(match[1], family) << line;
    }
  }
  EXPECT_GT(families.size(), 20U);
}

}  // namespace
}  // namespace gateway
