// What we say to Prometheus, as Prometheus understands it.
//
//   client ==SEQPACKET==> gateway ~~~~~> servers
//                            ^
//                            | scrapes, OpenMetrics with exemplars
//                       prometheus <--HTTP-- the test

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/must.h"
#include "integration/support/servers.h"
#include "integration/support/udp_client.h"
#include "tests/support/temp_directory.h"

namespace integration {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// A Prometheus of the test's own, on a port of the kernel's choice, that scrapes one gateway.
class Prometheus {
 public:
  explicit Prometheus(const std::string& gateway_url) {
    const std::string target = gateway_url.substr(gateway_url.rfind('/') + 1);
    std::ofstream(directory_.file("prometheus.yml"))
        << "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
           "scrape_configs: [{job_name: liftgate, static_configs: [{targets: ['"
        << target << "']}]}]\n";
    program_.emplace(
        Program::start({"prometheus", "--config.file=" + directory_.file("prometheus.yml"),
                        "--storage.tsdb.path=" + directory_.file("data"),
                        "--web.listen-address=127.0.0.1:0", "--enable-feature=exemplar-storage"}));
    static const std::regex kUrl("msg=\"Listening on\" address=(\\S+)");
    std::smatch found;
    if (!eventually([&] {
          said_ = program_->err();
          return std::regex_search(said_, found, kUrl) || !program_->is_running();
        }) ||
        found.empty()) {
      give_up("prometheus did not come up: " + said_);
    }
    url_ = "http://" + found[1].str();
  }

  // The `data` of an answer of its HTTP API; null while it has none.
  [[nodiscard]] json ask(const std::string& path, const Program::Words& parameters) const {
    Program::Words words = {"curl", "-sS", "-m", "5", "-G", url_ + "/api/v1/" + path};
    for (const std::string& parameter : parameters) {
      words.insert(words.end(), {"--data-urlencode", parameter});
    }
    const json answer = json::parse(run(words).out, nullptr, false);
    return answer.is_object() && answer.value("status", "") == "success" ? answer.at("data")
                                                                         : json();
  }
  // The value of a query that has one; nothing while there is none.
  [[nodiscard]] std::optional<std::string> value_of(const std::string& query) const {
    const json data = ask("query", {"query=" + query});
    if (!data.is_object() || data.at("result").size() != 1) {
      return std::nullopt;
    }
    return data.at("result").at(0).at("value").at(1).get<std::string>();
  }
  [[nodiscard]] bool comes_to(const std::string& query, const std::string& value) const {
    return eventually([&] { return value_of(query) == value; });
  }
  [[nodiscard]] std::string log() const { return program_->err(); }

 private:
  test_support::TempDirectory directory_;
  std::optional<Program> program_;
  std::string said_;
  std::string url_;
};

void one_connection(const ClientNetwork& client, const TcpServer& server, std::size_t bytes) {
  TcpConnection connection = client.connect(server.endpoint());
  connection.send(std::string(bytes, 'x'));
  EXPECT_EQ(connection.receive(bytes).size(), bytes);
  connection.close();
}

TEST(Prometheus, ScrapesTheTotalsThatFlowctlShowsAndTheFlowsBehindThem) {
  GatewayProcess gateway({.flows = kQuickTimeWait, .more = "telemetry: {listen: '127.0.0.1:0'}\n"});
  const Prometheus prometheus(gateway.telemetry_url());
  const ClientNetwork client(gateway.onramp());
  const TcpServer server = TcpServer::echo();
  one_connection(client, server, 5'000);
  one_connection(client, server, 300'000);
  const auto ends = gateway.wait_for_audit("flow_end", 2);

  EXPECT_TRUE(prometheus.comes_to("up", "1")) << prometheus.log();
  const json stats = gateway.flowctl({"stats"});
  EXPECT_TRUE(prometheus.comes_to("liftgate_flows_ended_total", "2"));
  EXPECT_TRUE(prometheus.comes_to("liftgate_bytes_total{direction=\"up\"}",
                                  stats.at("up").at("bytes").dump()));
  EXPECT_TRUE(prometheus.comes_to("liftgate_flow_bytes_sum{direction=\"up\"}",
                                  stats.at("up").at("bytes").dump()));
  EXPECT_TRUE(prometheus.comes_to("liftgate_dial_seconds_count{result=\"connected\"}", "2"));
  EXPECT_TRUE(prometheus.comes_to("liftgate_client_rtt_seconds_count", "2"));
  EXPECT_TRUE(prometheus.comes_to("liftgate_flow_duration_seconds_count{protocol=\"tcp\"}", "2"));
  EXPECT_TRUE(
      prometheus.value_of("histogram_quantile(0.5, liftgate_flow_bytes_bucket"
                          "{direction=\"up\"})"));

  // Exemplars come with OpenMetrics only: that it is spoken is proved with them.
  json exemplars;
  EXPECT_TRUE(eventually([&] {
    exemplars =
        prometheus.ask("query_exemplars", {"query=liftgate_flow_bytes_bucket{direction=\"up\"}",
                                           "start=" + std::to_string(std::time(nullptr) - 3600),
                                           "end=" + std::to_string(std::time(nullptr) + 60)});
    return exemplars.is_array() && exemplars.size() == 2;
  })) << exemplars.dump(1);
  std::map<std::string, std::string> bytes_by_flow;
  for (const json& series : exemplars) {
    const json& exemplar = series.at("exemplars").at(0);
    bytes_by_flow[exemplar.at("labels").at("flow_id")] = exemplar.at("value");
  }
  for (const json& end : ends) {
    EXPECT_EQ(bytes_by_flow[end.at("id").dump()], end.at("up").at("bytes").dump());
  }
}

// Samples that are not 0, by the family that is announced above them.
std::set<std::string> idle_families(const std::string& metrics) {
  std::set<std::string> idle;
  std::string family;
  std::istringstream lines(metrics);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string hash, what, name;
    if (line.starts_with("# TYPE ")) {
      words >> hash >> what >> family;
      idle.insert(family);
    } else if (!line.starts_with('#') && std::stod(line.substr(line.rfind(' '))) != 0) {
      idle.erase(family);
    }
  }
  return idle;
}

// A gateway in the middle of everything: an app whose hook fails, a helper that has died, a bound
// that is met, a dial that waits, a reader that does not.
TEST(Promtool, FindsNothingWrongWithTheMetricsOfABusyGateway) {
  const UdpServer collector = UdpServer::silent("127.0.0.1");
  GatewayProcess gateway(
      {.tenants = "- {name: acme, id: 1001, sources: [100.64.0.0/10, 'fd00:64::/48'], "
                  "bandwidth: 80Mbit/s}",
       .rules = "- {name: refused, match: {destination_port: [25]}, action: reject}\n"
                "- {name: slow, match: {protocol: [tcp, udp], destination: [" +
                host::kOtherServer4 + "]}, action: upgrade, bandwidth: 800kbit/s}",
       .flows = kQuickTimeWait,
       .more = "telemetry: {listen: '127.0.0.1:0', ipfix: {collector: '" +
               collector.endpoint().to_string() + "'}}\napp: {throws: egress_established}\n",
       .program = EVERY_HOOK_PROGRAM});
  ::kill(gateway.children().front(), SIGKILL);
  EXPECT_TRUE(eventually([&] { return gateway.flowctl({"stats"}).at("sandbox_restarts") == 1; }));
  (void)TunnelConnection::open(gateway.onramp(), {.tenant = "nobody"});  // is refused
  const ClientNetwork client(gateway.onramp());
  const TcpServer server = TcpServer::echo();
  one_connection(client, server, 10'000);
  (void)gateway.wait_for_audit("flow_end", 1);
  EXPECT_TRUE(eventually([&] { return gateway.flowctl({"stats"}).at("ipfix_sent") == 1; }));
  const TcpServer full = TcpServer::holding();
  Program filling =
      client.start({"socat", "-u", "OPEN:/dev/zero", "TCP:" + full.endpoint().to_string()});
  const TcpServer holding = TcpServer::holding(host::kOtherServer4);
  // One program: of a shell's pipeline only the shell would end with the test.
  Program upload = client.start(
      {"socat", "-u", "OPEN:/dev/zero,readbytes=3000000", "TCP:" + holding.endpoint().to_string()});
  const UdpServer slow = UdpServer::silent(host::kOtherServer4);
  const UdpClient udp(client);
  for (int i = 0; i < 40; ++i) {
    udp.send_to(slow.endpoint(), std::string(1'200, 'x'));
  }
  Program dialling =
      client.start({"socat", "-", "TCP:" + host::kSilent4 + ":80"}, {.keep_input_open = true});
  (void)client.try_connect(endpoint(host::kServer4 + ":25"));

  const auto get = [&](const Program::Words& more) {
    Program::Words words = {"curl", "-sS", "-m", "5", gateway.telemetry_url() + "/metrics"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words).out;
  };
  std::string metrics;
  std::set<std::string> idle;
  // What needs a full disk, or a tenant at its limits, has its own tests.
  const std::set<std::string> expected = {"liftgate_audit_write_errors_total",
                                          "liftgate_tenant_flows_gave_way_total",
                                          "liftgate_shard_loop_lag_seconds"};
  EXPECT_TRUE(eventually([&] {
    metrics = get({});
    idle = idle_families(metrics);
    return std::ranges::includes(expected, idle);
  })) << testing::PrintToString(idle)
      << "\n"
      << metrics;

  const Finished checked = run({"promtool", "check", "metrics"}, kPatience, {.input = metrics});
  EXPECT_EQ(checked.status, 0) << checked << metrics;
  EXPECT_EQ(checked.out + checked.err, "");
  EXPECT_THAT(get({"-H", "Accept: application/openmetrics-text; version=1.0.0"}),
              HasSubstr("\n# EOF\n"));
}

}  // namespace
}  // namespace integration
