#include "gateway/telemetry/metrics.h"

#include <chrono>
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
  using std::chrono::system_clock;
  const system_clock::time_point noon(std::chrono::milliseconds(1'700'000'000'250));
  status.histograms.add(FlowHistogram::kDialConnected, 67, 11, noon);
  status.histograms.add(FlowHistogram::kDialConnected, 1'500'000, 12, noon);
  status.histograms.add(FlowHistogram::kClientRtt, 30'000, 12, noon);
  status.histograms.add(FlowHistogram::kBytesUp, 5'000'000'000'000, 13, noon);
  status.shards = {{.has_sandbox = true, .lag_ns = 2'000'000}, {.has_sandbox = false}};
  return status;
}

std::string prometheus_text(std::int64_t now_ns) {
  return metrics_text(busy_status(), now_ns, MetricsFormat::kPrometheus);
}
std::string open_text() {
  return metrics_text(busy_status(), 5'000'000'000, MetricsFormat::kOpenMetrics);
}

TEST(Metrics, SayWhatTheGatewayCounted) {
  const std::string text = prometheus_text(3'500'000'000);
  EXPECT_THAT(text, HasSubstr("\nliftgate_packets_total{direction=\"up\"} 10\n"));
  EXPECT_THAT(text, HasSubstr("\nliftgate_bytes_total{direction=\"down\"} 2000\n"));
  EXPECT_THAT(text, HasSubstr("\nliftgate_drops_total{reason=\"bad_checksum\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("\nliftgate_tunnels_refused_total{reason=\"not_json\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nliftgate_tenant_flows{tenant=\"acme\"} 3\n"));
  EXPECT_THAT(
      text,
      HasSubstr(
          "\nliftgate_bandwidth_limit_bytes_per_second{tenant=\"acme\",rule=\"web\"} 1000.000\n"));
  EXPECT_THAT(text, HasSubstr("_wait_seconds_total{tenant=\"acme\",rule=\"web\"} 1.500\n"));
  EXPECT_THAT(text, HasSubstr("_dropped_packets_total{tenant=\"a\\\"b\\\\c\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("\nliftgate_nat_bindings 7\n"));
  EXPECT_THAT(text, HasSubstr("\nliftgate_uptime_seconds 2.500\n"));
}

TEST(Metrics, HistogramsCountUpwards) {
  const std::string text = prometheus_text(0);
  EXPECT_THAT(text,
              HasSubstr("\n# TYPE liftgate_dial_seconds histogram\n"
                        "liftgate_dial_seconds_bucket{result=\"connected\",le=\"0.001\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("_bucket{result=\"connected\",le=\"1.0\"} 1\n"
                              "liftgate_dial_seconds_bucket{result=\"connected\",le=\"2.5\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("{result=\"connected\",le=\"+Inf\"} 2\n"
                              "liftgate_dial_seconds_sum{result=\"connected\"} 1.500067\n"
                              "liftgate_dial_seconds_count{result=\"connected\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("\nliftgate_client_rtt_seconds_bucket{le=\"0.025\"} 0\n"
                              "liftgate_client_rtt_seconds_bucket{le=\"0.05\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nliftgate_flow_bytes_sum{direction=\"up\"} 5000000000000\n"));
  EXPECT_THAT(text, testing::Not(HasSubstr("flow_id")));
}

TEST(Metrics, ShardsSayWhetherTheyAreReady) {
  const std::string text = prometheus_text(0);
  EXPECT_THAT(text, HasSubstr("\nliftgate_shard_ready{shard=\"0\"} 1\n"
                              "liftgate_shard_ready{shard=\"1\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("\nliftgate_shard_loop_lag_seconds{shard=\"0\"} 0.002\n"));
}

TEST(OpenMetrics, BucketsHaveTheFlowThatLastFellIntoThem) {
  const std::string text = open_text();
  EXPECT_THAT(text, HasSubstr("{result=\"connected\",le=\"0.001\"} 1 # {flow_id=\"11\"} 0.000067 "
                              "1700000000.250\n"));
  EXPECT_THAT(text, HasSubstr("{result=\"connected\",le=\"0.0025\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("{direction=\"up\",le=\"+Inf\"} 1 # {flow_id=\"13\"} 5000000000000 "
                              "1700000000.250\n"));
}

// What OpenMetrics has otherwise: the names of families, and the end.
TEST(OpenMetrics, FamiliesAreWithoutWhatTheirSamplesEndIn) {
  const std::string text = open_text();
  EXPECT_THAT(text, HasSubstr("# TYPE liftgate_build info\nliftgate_build_info{version="));
  EXPECT_THAT(text, HasSubstr("\n# TYPE liftgate_drops counter\nliftgate_drops_total{"));
  EXPECT_THAT(text, HasSubstr("\n# TYPE liftgate_flows gauge\nliftgate_flows 3\n"));
  EXPECT_TRUE(text.ends_with("\n# EOF\n"));
}

// A scraper that changes its format keeps its series.
TEST(OpenMetrics, SamplesAreThoseOfTheOtherFormat) {
  const auto samples = [](const std::string& text) {
    std::set<std::string> found;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with('#')) {
        found.insert(line.substr(0, line.find(" # ")));
      }
    }
    return found;
  };
  EXPECT_EQ(samples(open_text()), samples(prometheus_text(5'000'000'000)));
}

TEST(MetricsFormat, IsTheOneThatIsWantedMore) {
  using enum MetricsFormat;
  EXPECT_EQ(metrics_format(""), kPrometheus);
  EXPECT_EQ(metrics_format("*/*"), kPrometheus);
  EXPECT_EQ(metrics_format("application/openmetrics-text; version=1.0.0"), kOpenMetrics);
  EXPECT_EQ(metrics_format("application/openmetrics-text;version=1.0.0,application/"
                           "openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,"
                           "*/*;q=0.1"),
            kOpenMetrics);
  EXPECT_EQ(metrics_format("text/plain;version=0.0.4,application/openmetrics-text;q=0.5"),
            kPrometheus);
  EXPECT_EQ(metrics_format("application/openmetrics-text;version=2.0.0,text/plain;q=0.1"),
            kPrometheus);
  EXPECT_EQ(metrics_format("application/openmetrics-text;q=0"), kPrometheus);
}

TEST(Metrics, LabelsAreEscaped) {
  EXPECT_THAT(prometheus_text(0), HasSubstr("{tenant=\"a\\\"b\\\\c\"} 0\n"));
}

// The rules of the format: each sample belongs to the family announced above it, each family is
// announced once, counters end in _total and nothing else does.
TEST(Metrics, AreWellFormed) {
  static const std::regex kSample(
      R"re((liftgate_[a-z_]+)(\{[a-z]+="([^"\\]|\\.)*"(,[a-z]+="([^"\\]|\\.)*")*\})? -?[0-9.]+)re");
  std::istringstream lines(prometheus_text(5'000'000'000));
  std::set<std::string> families;
  std::string family;
  bool histogram = false;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string hash, what, name, type;
    words >> hash >> what >> name >> type;
    if (what == "TYPE") {
      EXPECT_EQ(name, family);
      EXPECT_EQ(type == "counter", name.ends_with("_total")) << line;
      histogram = type == "histogram";
    } else if (what == "HELP") {
      EXPECT_TRUE(families.insert(name).second) << line;
      family = name;
    } else {
      std::smatch match;
      ASSERT_TRUE(std::regex_match(line, match, kSample)) << line;
      std::string of = match[1];
      if (histogram) {
        of = std::regex_replace(of, std::regex("_(bucket|sum|count)$"), "");
      }
      EXPECT_EQ(of, family) << line;
    }
  }
  EXPECT_GT(families.size(), 20U);
}

}  // namespace
}  // namespace gateway
