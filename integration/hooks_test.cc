// When an app's hooks are called, and what their answers do: an app that has every one of them.
//
//     [client 100.64.0.2] ==SEQPACKET== every_hook, which is a gateway ==== servers

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/drops.h"
#include "integration/support/gateway_process.h"
#include "integration/support/servers.h"
#include "integration/support/udp_client.h"

namespace integration {
namespace {

using testing::HasSubstr;
using Words = std::vector<std::string>;

GatewayConfig every_hook(const std::string& app) {
  return {.flows = kQuickTimeWait,
          .more = "hooks: {trace: 16}\napp: {" + app + "}",
          .program = EVERY_HOOK_PROGRAM};
}

// "hook: answer" of each that has run for the flow, in their order; the rules' with "rules."
// before.
Words hooks_of(const GatewayProcess& gateway, std::uint64_t flow) {
  Words calls;
  const auto report = gateway.flowctl({"flow", std::to_string(flow), "--hooks"});
  for (const auto& call : report.at("calls")) {
    const bool failed = call.at("failed");
    const std::string answer = call.at("answer").is_null() ? "" : call.at("answer");
    const bool is_rules = call.at("app") == "rules";
    EXPECT_TRUE(is_rules || call.at("app") == "every_hook") << call;
    calls.push_back((is_rules ? "rules." : "") + call.at("hook").get<std::string>() +
                    (answer.empty() ? "" : ": " + answer) + (failed ? " failed" : ""));
  }
  return calls;
}

std::uint64_t flow_id(const nlohmann::json& line) {
  return line.at("flow").get<std::uint64_t>();
}

class Hooks : public testing::Test {
 protected:
  void start(const std::string& app) {
    gateway_.emplace(every_hook(app));
    client_.emplace(gateway_->onramp());
  }
  // Sends "hello", gets it back, and closes. The flow's end.
  nlohmann::json exchange(const std::string& wanted = "hello") {
    TcpConnection connection = client_->connect(server_.endpoint());
    connection.send("hello");
    EXPECT_EQ(connection.receive(5), wanted);
    connection.finish_sending();
    EXPECT_EQ(connection.wait_for_end(), End::kFin);
    return gateway_->wait_for_audit("flow_end", 1).at(0);
  }
  std::string wait_for_log(const std::string& text) {
    EXPECT_TRUE(eventually([&] { return gateway_->log().find(text) != std::string::npos; }))
        << text;
    return gateway_->log();
  }

  TcpServer server_ = TcpServer::echo();
  std::optional<GatewayProcess> gateway_;
  std::optional<ClientNetwork> client_;
};

// The golden order: an app may rely on it.
TEST_F(Hooks, OfAConnectionRunInTheOrderOfTheTable) {
  start("pipeline: watch");
  const auto end = exchange();
  EXPECT_EQ(end.at("reason"), "closed");
  const Words wanted = {"rules.flow_decide: upgrade",
                        "flow_decide: no_opinion",
                        "egress_decide: connect",
                        "egress_established",
                        "ingress_decide: allow",
                        "pipeline_decide: watch",
                        "pipeline_bytes: enough",
                        "pipeline_bytes: enough",
                        "ingress_close",
                        "flow_end"};
  EXPECT_EQ(hooks_of(*gateway_, flow_id(end)), wanted);
  const std::string log = wait_for_log("every_hook flow_end");
  EXPECT_THAT(log,
              HasSubstr("ingress_close up_bytes=5 down_bytes=5 client_received=6 seen=hellohello"));
  EXPECT_LT(log.find("every_hook start"), log.find("ready control="));

  const Finished text = gateway_->run_flowctl({"flow", std::to_string(flow_id(end)), "--hooks"});
  EXPECT_THAT(text.out, HasSubstr("egress_decide"));
  EXPECT_EQ(gateway_->run_flowctl({"flow", "999", "--hooks"}).status, 1);
}

TEST_F(Hooks, OfADatagramFlowAreItsFirstAndItsLast) {
  start("");
  const UdpServer echo = UdpServer::echo();
  const UdpClient udp(*client_);
  udp.send_to(echo.endpoint(), "x");
  static_cast<void>(echo.wait_for_datagrams(1));
  const std::uint64_t id = gateway_->flows().at(0).at("id");
  EXPECT_EQ(hooks_of(*gateway_, id), (Words{"rules.flow_decide: upgrade", "flow_decide: no_opinion",
                                            "egress_datagrams: send"}));
  client_->close_tunnel();
  static_cast<void>(gateway_->wait_for_audit("flow_end", 1));
  EXPECT_EQ(hooks_of(*gateway_, id), (Words{"rules.flow_decide: upgrade", "flow_decide: no_opinion",
                                            "egress_datagrams: send", "flow_end"}));
}

class HooksThatThrow : public Hooks, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(All, HooksThatThrow,
                         testing::Values("flow_decide", "packet", "egress_decide",
                                         "egress_established", "ingress_decide", "pipeline_decide",
                                         "pipeline_bytes", "ingress_close", "flow_end",
                                         "tunnel_context"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST_P(HooksThatThrow, AreSaidAndTheDefaultIsTaken) {
  const std::string hook = GetParam();
  start("pipeline: watch, throws: " + hook);
  const auto end = exchange();
  EXPECT_EQ(end.at("reason"), "closed");
  EXPECT_THAT(wait_for_log("hook failed hook=" + hook), HasSubstr("as it was told"));
  if (hook != "packet" && hook != "tunnel_context") {
    EXPECT_THAT(hooks_of(*gateway_, flow_id(end)), testing::Contains(hook + " failed"));
  }
}

// The rules of a gateway that is no app are the only one that is asked.
TEST_F(Hooks, OfTheRulesAreTracedWithoutAnAppToo) {
  const GatewayProcess plain(
      {.rules = "\n  - {name: aside, match: {destination: 198.51.100.1/32}, redirect: " +
                server_.endpoint().to_string() + "}",
       .flows = kQuickTimeWait,
       .more = "hooks: {trace: 16}"});
  const ClientNetwork client(plain.onramp());
  TcpConnection connection =
      client.connect({*base::IpAddress::parse("198.51.100.1"), base::Port{80}});
  const auto flow = plain.flows().at(0);
  EXPECT_EQ(flow.at("rule"), "aside");
  EXPECT_EQ(hooks_of(plain, flow.at("id")),
            (Words{"rules.flow_decide: upgrade to " + server_.endpoint().to_string()}));
}

TEST_F(Hooks, AreAskedByExplainAndToldThatNothingBegins) {
  start("refuses: flow_decide");
  const auto said =
      gateway_->flowctl({"explain", "tcp 100.64.0.2:4000 > " + server_.endpoint().to_string()});
  EXPECT_EQ(said.at("app"), nlohmann::json::parse(R"({"name": "every_hook", "hook": "flow_decide",
    "answer": "reject", "failed": false})"));
  EXPECT_EQ(said.at("rule"), "hook");
  EXPECT_EQ(said.at("says"), "rejected with an RST");
  EXPECT_THAT(gateway_->log(), HasSubstr("flow_decide hypothetical=1"));
  EXPECT_TRUE(gateway_->flows().empty());
  EXPECT_EQ(client_->try_connect(server_.endpoint()), std::errc::connection_refused);
  EXPECT_THAT(wait_for_log("flow_decide hypothetical=0"), HasSubstr("rule=default"));
  const auto end = gateway_->flows().at(0);
  EXPECT_EQ(hooks_of(*gateway_, end.at("id")),
            (Words{"rules.flow_decide: upgrade", "flow_decide: reject"}));
}

TEST_F(Hooks, ThatFailWhenExplainAsksLeaveTheRulesTheirWord) {
  start("throws: flow_decide");
  const Program::Words question = {"explain",
                                   "tcp 100.64.0.2:4000 > " + server_.endpoint().to_string()};
  const auto said = gateway_->flowctl(question);
  EXPECT_EQ(said.at("app").at("failed"), true);
  EXPECT_EQ(said.at("rule"), "default");
  const Finished text = gateway_->run_flowctl(question);
  EXPECT_THAT(text.out, HasSubstr("app every_hook"));
  EXPECT_THAT(text.out, HasSubstr("unless the app's hooks of the egress say otherwise"));
}

TEST_F(Hooks, BlockBeforeTheDial) {
  start("refuses: egress_decide");
  EXPECT_EQ(client_->try_connect(server_.endpoint()), std::errc::connection_refused);
  EXPECT_EQ(gateway_->wait_for_audit("flow_end", 1).at(0).at("reason"), "blocked");
  EXPECT_TRUE(server_.connections().empty());
}

TEST_F(Hooks, BlockAConnectionThatWasAccepted) {
  start("refuses: ingress_decide");
  // The reset may come before the client has looked at its handshake.
  const std::error_code error = client_->try_connect(server_.endpoint());
  EXPECT_TRUE(!error || error == std::errc::connection_reset) << error.message();
  const auto end = gateway_->wait_for_audit("flow_end", 1).at(0);
  EXPECT_EQ(end.at("reason"), "blocked");
  EXPECT_THAT(hooks_of(*gateway_, flow_id(end)), testing::Not(testing::Contains("ingress_close")));
}

TEST_F(Hooks, MayRelayByThemselves) {
  start("pipeline: take");
  const auto end = exchange("HELLO");
  EXPECT_EQ(end.at("reason"), "closed");
  EXPECT_THAT(wait_for_log("every_hook flow_end"),
              HasSubstr("ingress_close up_bytes=5 down_bytes=5 client_received=6"));
}

TEST_F(Hooks, LoseTheirSocketsWhenTheFlowIsKilled) {
  start("pipeline: take");
  TcpConnection connection = client_->connect(server_.endpoint());
  connection.send("x");
  EXPECT_EQ(connection.receive(1), "X");
  const std::uint64_t id = gateway_->flows().at(0).at("id");
  EXPECT_EQ(gateway_->run_flowctl({"kill", std::to_string(id)}).status, 0);
  EXPECT_EQ(connection.wait_for_end(), End::kReset);
  EXPECT_EQ(server_.wait_for_connection(0).end, End::kReset);
}

TEST_F(Hooks, HaveTheirSocketsResetWhenTheGatewayEnds) {
  start("pipeline: take");
  TcpConnection connection = client_->connect(server_.endpoint());
  connection.send("x");
  EXPECT_EQ(connection.receive(1), "X");
  gateway_->stop();
  EXPECT_EQ(server_.wait_for_connection(0).end, End::kReset);
}

TEST_F(Hooks, OfPacketsDropAndChangeThemWithTheirChecksumsRight) {
  start("upper: true");
  for (const auto* address : {&host::kServer4, &host::kServer6}) {
    const UdpServer echo = UdpServer::echo(*address);
    const UdpClient udp(*client_, echo.endpoint().address.is_v4() ? AF_INET : AF_INET6);
    udp.send_to(echo.endpoint(), "odd length of letters");
    EXPECT_EQ(udp.receive().payload, "ODD LENGTH OF LETTERS");
    EXPECT_EQ(echo.wait_for_datagrams(1).at(0).payload, "ODD LENGTH OF LETTERS");
    udp.send_to(echo.endpoint(), "please drop this");
    udp.send_to(echo.endpoint(), "and not this");
    EXPECT_EQ(udp.receive().payload, "AND NOT THIS");
  }
  EXPECT_EQ(drops(*gateway_).at("dropped_by_hook"), 2U);
  EXPECT_EQ(drops(*gateway_).at("bad_transport_checksum"), 0U);
}

TEST_F(Hooks, ReadTheContextOfTunnelsTheirWay) {
  gateway_.emplace(every_hook(""));
  const TunnelConnection tunnel(gateway_->onramp());
  ASSERT_TRUE(tunnel.send("acme/laptop 100.64.0.7/32"));
  gateway_->wait_for_tunnels(1);
  const auto shown = gateway_->flowctl({"tunnels"}).at(0);
  EXPECT_EQ(shown.at("name"), "laptop");
  EXPECT_EQ(shown.at("addresses").at(0), "100.64.0.7/32");
  EXPECT_TRUE(shown.at("labels").contains("uid"));
  const ClientNetwork other(gateway_->onramp());  // JSON, as usual
  gateway_->wait_for_tunnels(2);
}

TEST_F(Hooks, ClaimOnlyWhatTheirPeersMay) {
  gateway_.emplace(every_hook(""));
  for (const char* claim : {"umbrella/x 100.64.0.7/32", "acme/x 203.0.113.7/32"}) {
    const TunnelConnection tunnel(gateway_->onramp());
    ASSERT_TRUE(tunnel.send(claim));
    EXPECT_TRUE(tunnel.is_closed_by_gateway());
  }
}

TEST_F(Hooks, RefuseAReloadInTheirOwnWords) {
  start("");
  const std::string path = gateway_->file("config.yaml");
  std::ofstream(path, std::ios::app) << "\n";
  std::ifstream before(path);
  std::string text{std::istreambuf_iterator<char>(before), {}};
  text.replace(text.find("app: {"), 6, "app: {refuses: reload");
  std::ofstream(path) << text;
  const Finished reload = run({EVERY_HOOK_PROGRAM, "reload", "--socket", gateway_->control()});
  EXPECT_EQ(reload.status, 1);
  EXPECT_THAT(reload.err + reload.out, HasSubstr("told to refuse"));
  EXPECT_EQ(exchange().at("reason"), "closed");
}

TEST_F(Hooks, RefuseToStart) {
  EXPECT_THROW(GatewayProcess(every_hook("refuses: start")), std::exception);
  EXPECT_THROW(GatewayProcess(every_hook("throws: start")), std::exception);
}

TEST_F(Hooks, StopLast) {
  start("");
  exchange();
  gateway_->stop();
  const std::string log = gateway_->log();
  EXPECT_LT(log.find("every_hook flow_end"), log.find("every_hook stop"));
}

}  // namespace
}  // namespace integration
