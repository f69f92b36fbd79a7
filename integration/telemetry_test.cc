// What Prometheus scrapes equals what flowctl shows.

#include <algorithm>
#include <fstream>
#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/servers.h"

namespace integration {
namespace {

using testing::HasSubstr;

TEST(Telemetry, CurlGetsTheFiguresThatFlowctlShows) {
  GatewayProcess gateway({.flows = kQuickTimeWait, .more = "telemetry: {listen: '127.0.0.1:0'}\n"});
  const auto get = [&](const std::string& path) {
    return run({"curl", "-sS", "-m", "5", gateway.telemetry_url() + path}).out;
  };
  const ClientNetwork client(gateway.onramp());
  const TcpServer server = TcpServer::echo();
  TcpConnection connection = client.connect(server.endpoint());
  connection.send(std::string(50'000, 'x'));
  EXPECT_EQ(connection.receive(50'000).size(), 50'000U);
  connection.close();
  ASSERT_EQ(gateway.wait_for_audit("flow_end", 1).size(), 1U);

  const auto stats = gateway.flowctl({"stats"});
  const std::string metrics = get("/metrics");
  EXPECT_THAT(metrics, HasSubstr("\nliftgate_flows_ended_total 1\n"));
  EXPECT_THAT(metrics, HasSubstr("\nliftgate_bytes_total{direction=\"up\"} " +
                                 stats.at("up").at("bytes").dump() + "\n"));
  EXPECT_THAT(metrics, HasSubstr("\nliftgate_tenant_tunnels{tenant=\"acme\"} 1\n"));
  EXPECT_EQ(get("/health"), "ok\n");
}

// What a running gateway has been told can be kept, and given to another.
TEST(Telemetry, ConfigServesWhatConfigCheckTakes) {
  const GatewayProcess gateway({.tenants = "- {name: acme, id: 7, bandwidth: 1Gbit/s}",
                                .rules = "[{match: {tenant: acme, destination_port: 80}, "
                                         "action: upgrade}, {action: reject}]",
                                .more = "telemetry: {listen: '127.0.0.1:0', token: horse-staple}"});
  const std::string config = gateway.telemetry_url() + "/config";
  EXPECT_THAT(run({"curl", "-sS", "-m", "5", config}).out, HasSubstr("token"));

  const Finished got =
      run({"curl", "-sS", "-m", "5", "-H", "Authorization: Bearer horse-staple", config});
  EXPECT_THAT(got.out, HasSubstr("\n    bandwidth: 1Gbit/s\n"));
  EXPECT_EQ(got.out.find("horse"), std::string::npos) << got;
  std::ofstream(gateway.file("served.yaml")) << got.out;
  const Finished checked =
      run({liftgate_program(), "config", "check", gateway.file("served.yaml")});
  EXPECT_EQ(checked.status, 0) << checked << got;
}

TEST(LogLevel, IsSetWhileTheGatewayRuns) {
  const GatewayProcess gateway({.log = "{level: warn}"});
  EXPECT_EQ(gateway.run_flowctl({"log-level"}).out, "warn\n");
  EXPECT_EQ(gateway.run_flowctl({"log-level", "info"}).out, "info\n");
  EXPECT_EQ(gateway.flowctl({"log-level"}).at("level"), "info");
  const ClientNetwork client(gateway.onramp(), {.name = "laptop-17"});
  EXPECT_TRUE(eventually([&] {
    return gateway.log().find("tunnel opened tunnel=1 name=laptop-17") != std::string::npos;
  })) << gateway.log();
  const Finished reloaded = run({liftgate_program(), "reload", "--socket", gateway.control()});
  EXPECT_EQ(reloaded.status, 0) << reloaded;
  EXPECT_EQ(gateway.run_flowctl({"log-level"}).out, "warn\n") << "as the file has it";
}

TEST(Stats, AreWatchedWithWhatTheyGain) {
  const GatewayProcess gateway({.rules = "- {name: web, action: upgrade, bandwidth: 1Gbit/s}"});
  const ClientNetwork client(gateway.onramp());
  const TcpServer server = TcpServer::echo();
  TcpConnection connection = client.connect(server.endpoint());
  Program program = Program::start({flowctl_program(), "--socket", gateway.control(), "stats",
                                    "--watch", "--interval", "0.2", "--count", "4"});
  while (program.is_running()) {
    connection.send(std::string(10'000, 'x'));
    connection.receive(10'000);
  }
  const Finished finished = program.wait();
  EXPECT_EQ(finished.status, 0) << finished;
  EXPECT_TRUE(std::regex_search(
      finished.out,
      std::regex("\nfrom tunnels +[0-9]+ packets, [0-9.]+ [KM]iB +\\+[0-9.]+ [KM]iB/s\n")))
      << finished;
  EXPECT_TRUE(std::regex_search(finished.out, std::regex("\nrule web flows +1 +\n"))) << finished;
  EXPECT_TRUE(std::regex_search(
      finished.out,
      std::regex("\nrule web of acme carried +[0-9.]+ [KM]iB +\\+[0-9.]+ [KM]iB/s\n")))
      << finished;
  const Finished lines =
      gateway.run_flowctl({"--json", "stats", "--watch", "--interval", "0.1", "--count", "2"});
  EXPECT_EQ(std::count(lines.out.begin(), lines.out.end(), '\n'), 2) << lines;
}

TEST(Telemetry, APortThatIsTakenEndsTheStartWithACure) {
  const TcpServer taken = TcpServer::echo("127.0.0.1");
  try {
    const GatewayProcess gateway(
        {.more = "telemetry: {listen: '" + taken.endpoint().to_string() + "'}\n"});
    FAIL() << "it started";
  } catch (const std::exception& ended) {
    EXPECT_THAT(ended.what(), HasSubstr("listening on " + taken.endpoint().to_string() +
                                        " (telemetry.listen): Address already in use. Another"));
  }
}

}  // namespace
}  // namespace integration
