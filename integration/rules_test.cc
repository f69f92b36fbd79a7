// What rules ask of a flow besides its packet, and what they do besides letting it through.
//
//     [client 100.64.0.2]==SEQPACKET==gateway==== servers on 192.0.2.1 and 192.0.2.2
//                                            ==== dnsmasq on 192.0.2.9:53

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/drops.h"
#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/resolver.h"
#include "integration/support/servers.h"
#include "integration/support/udp_client.h"

namespace integration {
namespace {

nlohmann::json rules_of(const GatewayProcess& gateway) {
  return gateway.flowctl({"stats"}).at("rules");
}

std::uint64_t flows_by(const GatewayProcess& gateway, const std::string& rule) {
  for (const auto& one : rules_of(gateway)) {
    if (one.at("rule") == rule) {
      return one.at("flows");
    }
  }
  ADD_FAILURE() << "no rule is called " << rule;
  return 0;
}

TEST(Rules, AskForTheTunnelsNameAndLabels) {
  const GatewayProcess gateway({.rules = R"(
    - {name: alice, match: {tunnel: "laptop-*", labels: {user: alice}}, action: upgrade}
    - {name: rest, action: reject})"});
  const TcpServer server = TcpServer::echo();
  const ClientNetwork alice(gateway.onramp(), {.name = "laptop-17", .labels = {{"user", "alice"}}});
  const ClientNetwork bob(
      gateway.onramp(),
      {.name = "laptop-18", .addresses = {"100.64.0.3/32"}, .labels = {{"user", "bob"}}});
  EXPECT_FALSE(alice.try_connect(server.endpoint()));
  EXPECT_EQ(bob.try_connect(server.endpoint()), std::errc::connection_refused);

  const auto said =
      gateway.flowctl({"explain", "tcp 100.64.0.3:1 > " + server.endpoint().to_string()});
  EXPECT_EQ(said.at("rules").at(0).at("key"), "labels");
  EXPECT_EQ(said.at("rules").at(0).at("found"), "{user: [bob]}");
  EXPECT_EQ(said.at("rules").at(0).at("wanted"), "{user: [alice]}");
  EXPECT_EQ(flows_by(gateway, "alice"), 1U);
  EXPECT_EQ(flows_by(gateway, "rest"), 1U);
}

class NamedRules : public testing::Test {
 protected:
  static bool looks_up(const ClientNetwork& client, const std::string& name) {
    return integration::looks_up(client, name, "A", host::kServer4);
  }

  const Program resolver_ = start_resolver(
      {"--address=/example.test/" + host::kServer4, "--address=/tracker.test/" + host::kServer4});
  const GatewayProcess gateway_{
      {.tenants = "\n  - {name: acme, id: 1}\n  - {name: other, id: 2}", .rules = R"(
    - {name: dns, match: {protocol: udp, destination_port: 53}, action: upgrade}
    - {name: example, match: {name: "*.example.test"}, action: upgrade}
    - {name: rest, action: reject})"}};
  const ClientNetwork acme_{gateway_.onramp(), {.tenant = "acme"}};
  const ClientNetwork other_{gateway_.onramp(), {.tenant = "other"}};
  const TcpServer server_ = TcpServer::echo();
};

TEST_F(NamedRules, NameHoldsForTheTenantThatWasAnsweredIt) {
  EXPECT_EQ(acme_.try_connect(server_.endpoint()), std::errc::connection_refused)
      << "nobody has looked it up";
  ASSERT_TRUE(looks_up(acme_, "www.example.test")) << resolver_.err();
  EXPECT_FALSE(acme_.try_connect(server_.endpoint()));
  EXPECT_EQ(other_.try_connect(server_.endpoint()), std::errc::connection_refused)
      << "what one tenant was told says nothing about another's flows";
}

TEST_F(NamedRules, EveryNameOfAnAddressCounts) {
  ASSERT_TRUE(looks_up(acme_, "www.example.test")) << resolver_.err();
  ASSERT_TRUE(looks_up(acme_, "tracker.test"));
  EXPECT_FALSE(acme_.try_connect(server_.endpoint()));
  const auto flows = gateway_.flowctl({"flows", "rule=example"});
  ASSERT_EQ(flows.size(), 1U);
  EXPECT_EQ(flows[0].at("name"), "www.example.test") << "the one that the rule asked for";
}

TEST_F(NamedRules, ExplainSaysWhatANameWouldChange) {
  const std::string packet = "tcp 100.64.0.2:1 > 192.0.2.77:443";
  const auto unknown = gateway_.flowctl({"explain", packet, "--tenant", "acme"});
  EXPECT_EQ(unknown.at("rule"), "rest");
  EXPECT_EQ(unknown.at("rules").at(1).at("found"), "not known");
  const auto named =
      gateway_.flowctl({"explain", packet, "--tenant", "acme", "--name", "www.example.test"});
  EXPECT_EQ(named.at("rule"), "example");
}

TEST(Rules, RedirectDialsAnotherServerAndTheAuditSaysBoth) {
  const TcpServer real = TcpServer::half_closing("the real one");
  const TcpServer mirror = TcpServer::half_closing("the mirror", host::kOtherServer4);
  const GatewayProcess gateway(
      {.rules = "\n    - {name: mirror, match: {protocol: tcp}, redirect: '" +
                mirror.endpoint().to_string() + "'}",
       .flows = kQuickTimeWait});
  const ClientNetwork client(gateway.onramp());
  TcpConnection connection = client.connect(real.endpoint());
  EXPECT_EQ(connection.receive_all(), "the mirror");
  EXPECT_EQ(connection.peer(), real.endpoint()) << "the client sees no difference";
  connection.close();
  const auto end = gateway.wait_for_audit("flow_end", 1).front();
  EXPECT_EQ(end.at("destination"), real.endpoint().to_string());
  EXPECT_EQ(end.at("upstream"), mirror.endpoint().to_string());
  EXPECT_EQ(end.at("rule"), "mirror");
}

TEST(Rules, RedirectedDatagramsAreAnsweredByWhoeverWasAsked) {
  const UdpServer mirror = UdpServer::echo(host::kOtherServer4);
  const GatewayProcess gateway(
      {.rules = "\n    - {name: mirror, match: {protocol: udp}, redirect: '" +
                mirror.endpoint().to_string() + "'}"});
  const ClientNetwork client(gateway.onramp());
  const UdpClient udp(client);
  const auto first = *base::Endpoint::parse("192.0.2.1:5353");
  const auto second = *base::Endpoint::parse("192.0.2.3:5353");
  EXPECT_EQ(udp.ask(first, "one").from, first);
  EXPECT_EQ(udp.ask(second, "two").from, second);
  EXPECT_EQ(udp.ask(first, "three").from, first);
  EXPECT_EQ(gateway.flows().size(), 2U);
}

TEST(Rules, LimitLetsNoMoreFlowsBegin) {
  const GatewayProcess gateway(
      {.rules = "\n    - {name: few, match: {protocol: udp}, action: upgrade, limit: 2/h}"});
  const ClientNetwork client(gateway.onramp());
  const UdpServer server = UdpServer::echo();
  const UdpClient first(client);
  const UdpClient second(client);
  const UdpClient third(client);
  EXPECT_EQ(first.ask(server.endpoint(), "a").payload, "a");
  EXPECT_EQ(second.ask(server.endpoint(), "b").payload, "b");
  third.send_to(server.endpoint(), "c");
  EXPECT_TRUE(eventually([&] { return drops(gateway)["rule_limit"] == 1; }));
  EXPECT_EQ(first.ask(server.endpoint(), "d").payload, "d") << "a known flow goes on";
  EXPECT_EQ(gateway.flows().size(), 2U);
  const auto said =
      gateway.flowctl({"explain", "udp 100.64.0.2:1 > " + server.endpoint().to_string()});
  EXPECT_EQ(said.at("refusal"), "rule_limit");
}

TEST(Rules, OpenFlowsOfTheTunnelAreCounted) {
  const GatewayProcess gateway({.rules = R"(
    - {name: enough, match: {open_flows: ">1"}, action: reject}
    - {name: rest, action: upgrade})"});
  const ClientNetwork client(gateway.onramp());
  const TcpServer server = TcpServer::echo();
  const TcpConnection one = client.connect(server.endpoint());
  const TcpConnection two = client.connect(server.endpoint());
  EXPECT_EQ(client.try_connect(server.endpoint()), std::errc::connection_refused);
}

TEST(Rules, LogWritesALineForEachFlow) {
  const GatewayProcess gateway(
      {.rules = "\n    - {name: loud, action: reject, log: true}", .log = "{level: warn}"});
  const ClientNetwork client(gateway.onramp());
  EXPECT_EQ(client.try_connect(*base::Endpoint::parse("192.0.2.1:81")),
            std::errc::connection_refused);
  EXPECT_TRUE(eventually([&] {
    return gateway.log().find("flow decided rule=loud action=reject flow=1") != std::string::npos;
  })) << gateway.log();
}

TEST(Rules, AreCountedInTheMetrics) {
  const GatewayProcess gateway({.rules = "\n    - {name: all, action: reject}"});
  const ClientNetwork client(gateway.onramp());
  EXPECT_EQ(client.try_connect(*base::Endpoint::parse("192.0.2.1:81")),
            std::errc::connection_refused);
  EXPECT_EQ(flows_by(gateway, "all"), 1U);
  EXPECT_EQ(flows_by(gateway, "default"), 0U);
  const Finished text = gateway.run_flowctl({"stats"});
  EXPECT_NE(text.out.find("FLOWS DECIDED"), std::string::npos) << text;
}

}  // namespace
}  // namespace integration
