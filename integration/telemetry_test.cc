// What Prometheus scrapes equals what flowctl shows.

#include <algorithm>
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
  static const std::regex kUrl("telemetry opened url=(http://\\S+)/metrics");
  std::smatch url;
  const std::string log = gateway.log();
  ASSERT_TRUE(std::regex_search(log, url, kUrl)) << log;
  const auto get = [&](const std::string& path) {
    return run({"curl", "-sS", "-m", "5", url[1].str() + path}).out;
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

TEST(Stats, AreWatchedWithWhatTheyGain) {
  const GatewayProcess gateway;
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
  EXPECT_TRUE(std::regex_search(finished.out, std::regex("\nup.bytes +[0-9]+ +[0-9.]+[kM]/s\n")))
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
