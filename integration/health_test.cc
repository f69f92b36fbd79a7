// /health: whether a gateway can serve, for load balancers, and what hinders it, for people.
//
//     client ==SEQPACKET==> gateway: shards ... sandbox, audit log, collector, on-ramps
//                              |
//                              +--HTTP--> curl /health, /health?full

#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flows/flow_id.h"
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

constexpr auto kTelemetry = "telemetry: {listen: '127.0.0.1:0'}\n";

// "200 ok\n"
std::string ask(const GatewayProcess& gateway, const std::string& path,
                const Program::Words& more = {}) {
  Program::Words words = {
      "curl", "-sS", "-m", "10", "-w", "\n%{http_code}", gateway.telemetry_url() + path};
  words.insert(words.end(), more.begin(), more.end());
  const std::string out = run(words).out;
  const std::size_t code = out.rfind('\n');
  return out.substr(code + 1) + " " + out.substr(0, code);
}

json in_full(const GatewayProcess& gateway) {
  return json::parse(ask(gateway, "/health?full").substr(4));
}

class Health : public testing::Test {
 protected:
  // Fails the test with what it says instead.
  void expect_status(const std::string& status) const {
    json said;
    EXPECT_TRUE(eventually([&] {
      said = in_full(gateway_);
      return said.at("status") == status;
    })) << said.dump(1);
  }

  GatewayProcess gateway_{{.tenants = "- {name: acme, id: 1001}\n- {name: umbrella, id: 1002}",
                           .flows = kQuickTimeWait,
                           .more = std::string("workers: 2\n") + kTelemetry}};
};

TEST_F(Health, SaysEveryPartOfASoundGateway) {
  const ClientNetwork client(gateway_.onramp());
  const TcpServer server = TcpServer::echo();
  TcpConnection connection = client.connect(server.endpoint());
  connection.send("x");
  connection.receive(1);
  EXPECT_EQ(ask(gateway_, "/health"), "200 ok\n");
  json said;
  EXPECT_TRUE(eventually([&] {  // a shard says how many flows it has at its next tick
    said = in_full(gateway_);
    return said.at("shards").at(0).at("flows").get<int>() +
               said.at("shards").at(1).at("flows").get<int>() ==
           1;
  })) << said.dump(1);
  EXPECT_EQ(said.at("status"), "ok");
  EXPECT_EQ(said.at("problems"), json::array());
  ASSERT_EQ(said.at("shards").size(), 2U);
  std::vector<pid_t> helpers;
  for (const json& shard : said.at("shards")) {
    EXPECT_TRUE(shard.at("ready") && shard.at("sandbox")) << shard;
    EXPECT_EQ(shard.at("sandbox_restarts"), 0);
    helpers.push_back(shard.at("helper"));
  }
  EXPECT_THAT(helpers, testing::UnorderedElementsAreArray(gateway_.children()));
  EXPECT_EQ(said.at("flows"), 1);
  EXPECT_EQ(said.at("flows_max"), gateway_.flowctl({"stats"}).at("flows_max"));
  EXPECT_EQ(said.at("audit").at("path"), gateway_.file("audit.jsonl"));
  EXPECT_EQ(said.at("audit").at("writable"), true);
  EXPECT_EQ(said.at("ipfix"), nullptr);
  EXPECT_EQ(said.at("onramps"), json::parse(R"([{"kind":"seqpacket","at":")" + gateway_.onramp() +
                                            R"(","listening":true}])"));
}

TEST_F(Health, ShardThatGetsNoSandboxIsUnreadyUntilItHasOne) {
  const auto limit = [](const std::string& to) {
    std::ofstream setting("/proc/sys/user/max_user_namespaces");
    setting << to << std::flush;
    ASSERT_TRUE(setting.good());
  };
  limit("0");
  ::kill(gateway_.children().front(), SIGKILL);
  expect_status("unready");
  EXPECT_THAT(
      ask(gateway_, "/health"),
      testing::MatchesRegex("503 unready\nshard [01] has no sandbox: [^\n]*doctor[^\n]*\n"));
  limit("10000");
  expect_status("ok");
  EXPECT_EQ(ask(gateway_, "/health"), "200 ok\n");
}

TEST_F(Health, OnrampThatCannotBeReachedAnyMoreDegradesIt) {
  std::filesystem::remove(gateway_.onramp());
  const json said = in_full(gateway_);
  EXPECT_EQ(said.at("status"), "degraded");
  EXPECT_EQ(said.at("onramps").at(0).at("listening"), false);
  EXPECT_THAT(said.at("problems").at(0).at("what").get<std::string>(),
              HasSubstr("the file of its socket has gone"));
  EXPECT_EQ(ask(gateway_, "/health"), "200 ok\n");
}

TEST(HealthOfTheAuditLog, IsThatItCannotBeWritten) {
  const GatewayProcess gateway(
      {.flows = kQuickTimeWait, .audit = "{path: /dev/full}", .more = kTelemetry});
  EXPECT_EQ(in_full(gateway).at("status"), "ok");
  const ClientNetwork client(gateway.onramp());
  const TcpServer server = TcpServer::echo();
  const TcpConnection connection = client.connect(server.endpoint());
  json said;
  EXPECT_TRUE(eventually([&] {
    said = in_full(gateway);
    return said.at("status") == "degraded";
  })) << said.dump(1);
  EXPECT_EQ(said.at("audit").at("writable"), false);
  EXPECT_GE(said.at("audit").at("waiting"), 1);
  EXPECT_THAT(said.at("audit").at("error").get<std::string>(), HasSubstr("No space left"));
  EXPECT_EQ(ask(gateway, "/health"), "200 ok\n");
}

TEST(HealthOfTheCollector, IsThatNobodyListensThere) {
  const base::Endpoint collector = closed_port("127.0.0.1");
  const GatewayProcess gateway({.flows = kQuickTimeWait,
                                .more = "telemetry: {listen: '127.0.0.1:0', ipfix: {collector: '" +
                                        collector.to_string() + "'}}\n"});
  EXPECT_EQ(in_full(gateway).at("ipfix").at("error"), nullptr) << "nothing is known yet";
  const ClientNetwork client(gateway.onramp());
  const TcpServer server = TcpServer::echo();
  client.connect(server.endpoint()).close();  // the templates were refused: this record is told
  json said;
  EXPECT_TRUE(eventually([&] {
    said = in_full(gateway);
    return said.at("status") == "degraded";
  })) << said.dump(1);
  EXPECT_EQ(said.at("ipfix").at("collector"), collector.to_string());
  EXPECT_THAT(said.at("ipfix").at("error").get<std::string>(), HasSubstr("nobody listens there"));
}

TEST(HealthForStrangers, IsWhetherItCanServeAndNothingElse) {
  const GatewayProcess gateway({.more = "telemetry: {listen: '127.0.0.1:0', token: horse}\n"});
  const std::string short_one = "200 {\"status\":\"ok\",\"problems\":[]}\n";
  EXPECT_EQ(ask(gateway, "/health?full"), short_one);
  EXPECT_EQ(ask(gateway, "/health", {"-H", "Accept: application/json"}), short_one);
  EXPECT_THAT(ask(gateway, "/health?full", {"-H", "Authorization: Bearer horse"}),
              HasSubstr("\"helper\":"));
}

TEST(HealthForStrangers, IsSaidBesideAnyNumberOfConnectionsThatSayNothing) {
  const GatewayProcess gateway({.more = kTelemetry});
  const base::Endpoint at = *base::Endpoint::parse(gateway.telemetry_url().substr(7));
  std::vector<TcpConnection> silent;
  for (int i = 0; i < 80; ++i) {
    silent.push_back(TcpConnection::connect(at));
  }
  EXPECT_EQ(ask(gateway, "/health"), "200 ok\n");
}

// The shards were stopped, too. Were each called stuck for that, a load balancer would take the
// traffic away from whatever machine was moved.
TEST(HealthOfAGatewayThatWasStopped, IsAsBefore) {
  const GatewayProcess gateway({.more = kTelemetry});
  gateway.signal(SIGSTOP);
  const base::Instant start = base::Clock::now();
  EXPECT_TRUE(eventually([&] { return base::Clock::now() - start > 6s; })) << "5 s are too long";
  Program curl = Program::start({"curl", "-sS", "-m", "10", gateway.telemetry_url() + "/health"});
  gateway.signal(SIGCONT);
  EXPECT_EQ(curl.wait().out, "ok\n");
}

// Nobody waits long for it, nor without being told why: not even for what may take its time.
TEST(GatewayThatWasStopped, IsSaidToBeStoppedByWhoeverAsks) {
  const GatewayProcess gateway;
  gateway.signal(SIGSTOP);
  std::vector<Program> asking;
  for (const Program::Words& words : {Program::Words{flowctl_program(), "stats"},
                                      {flowctl_program(), "flows"},
                                      {flowctl_program(), "explain", "icmp 100.64.0.2 > 192.0.2.1"},
                                      {flowctl_program(), "events"},
                                      {liftgate_program(), "reload"}}) {
    asking.push_back(
        Program::start(words, {.environment = {"LIFTGATE_SOCKET=" + gateway.control()}}));
  }
  const base::Instant start = base::Clock::now();
  for (Program& one : asking) {
    const Finished finished = one.wait();
    EXPECT_EQ(finished.status, 1) << finished;
    EXPECT_THAT(finished.err, HasSubstr("the gateway does not answer (process " +
                                        std::to_string(gateway.pid()) + " is stopped; "));
  }
  EXPECT_LT(base::Clock::now() - start, 10s);
  gateway.signal(SIGCONT);
}

// A hook that does not return holds its shard, and nobody else: not the other shard's tenant, not
// whoever asks.
class StuckShard : public testing::Test {
 protected:
  StuckShard() {
    must_call(::mkfifo(gateway_.file("go").c_str(), 0600), "mkfifo");
    gateway_.wait_for_tunnels(1);
  }
  Program begin_to_hold() {
    return client_.start({"curl", "-sS", "-m", "60", url_of(server_.endpoint())});
  }
  [[nodiscard]] Finished explain() const {
    return gateway_.run_flowctl(
        {"explain", "tcp 100.64.0.2:4000 > " + server_.endpoint().to_string()});
  }
  [[nodiscard]] Finished reload() const {
    return run({liftgate_program(), "reload", "--socket", gateway_.control()});
  }
  // And does not hold it again when a SYN that the client repeated meanwhile begins another flow:
  // the hook then finds a file, where the pipe was.
  void let_go(Program& curl) const {
    std::filesystem::rename(gateway_.file("go"), gateway_.file("held"));
    std::ofstream(gateway_.file("go")) << "x";
    std::ofstream(gateway_.file("held")) << "x";
    std::string said;
    EXPECT_TRUE(eventually([&] {
      said = ask(gateway_, "/health");
      return said == "200 ok\n";
    })) << said;
    curl.signal(SIGKILL);
    (void)curl.wait();
  }

  GatewayProcess gateway_{
      {.tenants = "- {name: acme, id: 1001}\n- {name: umbrella, id: 1002}",
       .rules = "- {name: all, action: upgrade}",
       .flows = kQuickTimeWait,
       .more =
           std::string("workers: 2\napp: {holds: flow_decide, until: '{dir}/go'}\n") + kTelemetry,
       .program = EVERY_HOOK_PROGRAM}};
  ClientNetwork client_{gateway_.onramp()};
  TcpServer server_ = TcpServer::echo();
};

TEST_F(StuckShard, IsSaidAndHoldsNobodyElseUp) {
  Program curl = begin_to_hold();
  std::string said;
  EXPECT_TRUE(eventually([&] {
    (void)ask(gateway_, "/metrics");  // waits for the shard, which is no reason to think it well
    said = ask(gateway_, "/health");
    return said.starts_with("503 ");
  })) << said;
  EXPECT_THAT(said, testing::MatchesRegex("503 unready\nshard [01] is stuck: its loop has not "
                                          "turned for [0-9]+ s\\. [^\n]*hooks does not return[^\n]*"
                                          "\n"));
  const json stats = gateway_.flowctl({"stats"});
  EXPECT_EQ(stats.at("tunnels"), 1) << "as the shard said last: " << stats;
  // Who asks of it is answered, and does not have all others wait for it.
  const Finished explained = explain();
  EXPECT_NE(explained.status, 0);
  EXPECT_THAT(explained.err, HasSubstr("does not answer (/health says more)"));
  gateway_.signal(SIGHUP);
  EXPECT_TRUE(eventually([&] {
    return gateway_.log().find("configuration not reloaded why=\"shard") != std::string::npos;
  }));
  const Finished reloaded = reload();
  EXPECT_NE(reloaded.status, 0);
  EXPECT_THAT(reloaded.err, HasSubstr("nothing was reloaded"));
  EXPECT_THAT(ask(gateway_, "/metrics"), HasSubstr("\nliftgate_shard_ready{shard=\"0\"} "));
  let_go(curl);
}

// For five seconds it is only slow. Whoever asked then waited as long as the hook did, and /health
// with him.
TEST_F(StuckShard, IsNotWaitedForBeforeThatIsKnownEither) {
  Program curl = begin_to_hold();
  Finished said;
  EXPECT_TRUE(eventually([&] {
    said = explain();
    return said.err.find("does not answer") != std::string::npos;
  })) << said;
  said = reload();
  EXPECT_THAT(said.err, HasSubstr("nothing was reloaded"));
  const std::size_t shard = said.err.find("shard 0") == std::string::npos ? 1 : 0;
  const std::string flow =
      std::to_string(flows::first_flow_id(shard));  // no need that there is one
  EXPECT_THAT(gateway_.run_flowctl({"kill", flow}).err, HasSubstr("does not answer"));
  let_go(curl);
}

// It waited for it for ever, and had to be killed.
TEST_F(StuckShard, DoesNotKeepTheGatewayFromStopping) {
  const ClientNetwork other(gateway_.onramp(),
                            {.tenant = "umbrella", .addresses = {"100.64.0.3/32"}});
  gateway_.wait_for_tunnels(2);
  Program curl = begin_to_hold();
  EXPECT_TRUE(eventually([&] { return explain().err.find("not answer") != std::string::npos; }));
  const Finished finished = gateway_.end(SIGTERM);
  EXPECT_EQ(finished.status, 1) << finished;
  EXPECT_THAT(finished.err, HasSubstr("error stopped without shards that do not end count=1"));
  curl.signal(SIGKILL);
  (void)curl.wait();
}

TEST(StuckEnd, OfAShardDoesNotKeepTheGatewayFromStopping) {
  GatewayProcess gateway(
      {.more = "app: {holds: flow_end, until: '{dir}/go'}\n", .program = EVERY_HOOK_PROGRAM});
  must_call(::mkfifo(gateway.file("go").c_str(), 0600), "mkfifo");
  const ClientNetwork client(gateway.onramp());
  const UdpServer server = UdpServer::echo();
  EXPECT_EQ(UdpClient(client).ask(server.endpoint(), "hello").payload, "hello");
  const Finished finished = gateway.end(SIGTERM);
  EXPECT_EQ(finished.status, 1) << finished;
  EXPECT_THAT(finished.err, HasSubstr("stopped without shards that do not end"));
}

// The command's own, although the gateway could not end.
TEST(StuckEnd, OfARunKeepsTheCommandsStatus) {
  const test_support::TempDirectory directory;
  std::ofstream(directory.file("config.yaml"))
      << "app: {holds: flow_end, until: '" << directory.file("go") << "'}\n";
  must_call(::mkfifo(directory.file("go").c_str(), 0600), "mkfifo");
  const Finished finished =
      run({EVERY_HOOK_PROGRAM, "run", "--config", directory.file("config.yaml"), "--", "bash", "-c",
           "echo x > /dev/udp/192.0.2.1/99; exit 3"},
          kPatience, {.environment = {"XDG_RUNTIME_DIR=" + directory.path()}});
  EXPECT_EQ(finished.status, 3) << finished;
}

}  // namespace
}  // namespace integration
