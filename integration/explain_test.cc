// `flowctl explain`: what it says would become of a packet is what becomes of it.
//
//     [client 100.64.0.2]==SEQPACKET==gateway=====server on the host
//                                        |
//                                  flowctl explain

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/servers.h"

namespace integration {
namespace {

constexpr auto kRules = R"(
  - {name: no-mail, match: {destination_port: 25}, action: reject}
  - {name: no-metadata, match: {destination: 169.254.0.0/16}, action: drop}
  - {name: web, match: {protocol: tcp, destination: 192.0.2.0/24}, action: upgrade}
  - {name: rest, action: reject})";

class Explain : public testing::Test {
 protected:
  nlohmann::json explain(const std::string& packet, Program::Words more = {}) const {
    Program::Words words = {"explain", packet};
    words.insert(words.end(), more.begin(), more.end());
    return gateway_.flowctl(words);
  }

  GatewayProcess gateway_{{.rules = kRules}};
  ClientNetwork client_{gateway_.onramp(), {.name = "laptop-17"}};
};

TEST_F(Explain, SaysWhichRuleDecidesAndWhyTheEarlierOnesDoNot) {
  const auto said = explain("tcp 100.64.0.2:4000 > 192.0.2.1:443", {"--tenant", "acme"});

  EXPECT_EQ(said.at("rule"), "web");
  EXPECT_EQ(said.at("action"), "upgrade");
  EXPECT_EQ(said.at("tunnel"), "laptop-17");
  EXPECT_EQ(said.at("upstream"), "192.0.2.1:443");
  EXPECT_EQ(said.at("refusal"), nullptr);
  EXPECT_EQ(said.at("flow"), nullptr);
  EXPECT_EQ(said.at("rules"), nlohmann::json::parse(R"([
    {"rule": "no-mail", "matches": false, "key": "destination_port", "found": "443",
     "wanted": "25"},
    {"rule": "no-metadata", "matches": false, "key": "destination", "found": "192.0.2.1",
     "wanted": "169.254.0.0/16"},
    {"rule": "web", "matches": true}])"));
  EXPECT_TRUE(gateway_.flows().empty()) << "explaining opens nothing";
}

TEST_F(Explain, IsWhatHappens) {
  const TcpServer server = TcpServer::echo();
  const std::string mail = "tcp 100.64.0.2:4000 > " + std::string(host::kServer4) + ":25";
  EXPECT_EQ(explain(mail).at("says"), "rejected with an RST");
  EXPECT_EQ(client_.try_connect({server.endpoint().address, base::Port{25}}),
            std::errc::connection_refused);
  EXPECT_EQ(explain("udp 100.64.0.2:4000 > 192.0.2.1:53").at("rule"), "rest");

  const TcpConnection connection = client_.connect(server.endpoint());
  const auto flows = gateway_.flowctl({"flows", "rule=web"});
  ASSERT_EQ(flows.size(), 1U);
  const std::string source = flows[0].at("source");
  const auto said = explain("tcp " + source + " > " + server.endpoint().to_string());
  EXPECT_EQ(said.at("flow"), flows[0].at("id"));
  EXPECT_EQ(said.at("upstream"), server.endpoint().to_string());
}

TEST(ExplainOfAPing, NamesNoPort) {
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());
  const auto said = gateway.flowctl({"explain", "icmp 100.64.0.2 > 192.0.2.1"});
  EXPECT_EQ(said.at("says"), "upgraded: the gateway sends to 192.0.2.1");
  const auto answer = gateway.flowctl({"explain", "icmp 100.64.0.2 > 192.0.2.1 type 0"});
  EXPECT_EQ(answer.at("refusal"), "no_flow");
}

TEST_F(Explain, SourceThatTheTunnelMayNotSendFromIsSpoofed) {
  const auto said = explain("tcp 100.64.9.9:4000 > 192.0.2.1:443", {"--tunnel", "laptop-17"});
  EXPECT_EQ(said.at("refusal"), "source_not_allowed");
  EXPECT_EQ(said.at("says"), "dropped as spoofed: tunnel laptop-17 may not send from 100.64.9.9");
  EXPECT_EQ(said.at("rule"), "web") << "the rules are said all the same";
}

TEST_F(Explain, TextSaysTheSame) {
  const Finished said =
      gateway_.run_flowctl({"explain", "udp", "100.64.0.2:4000", ">", "192.0.2.1:53"});
  EXPECT_EQ(said.status, 0) << said;
  EXPECT_NE(said.out.find("protocol is udp, not tcp"), std::string::npos) << said;
  EXPECT_NE(said.out.find("It would be rejected with an ICMP error."), std::string::npos) << said;
}

TEST_F(Explain, WrongQuestionsAreToldWhatIsWrong) {
  const Finished malformed = gateway_.run_flowctl({"explain", "tcp 100.64.0.2 > 192.0.2.1:53"});
  EXPECT_EQ(malformed.status, 2) << malformed;
  EXPECT_NE(malformed.err.find("packet, column 5: "), std::string::npos) << malformed;
  const Finished unknown =
      gateway_.run_flowctl({"explain", "tcp 100.64.0.2:1 > 192.0.2.1:53", "--tenant", "umbrella"});
  EXPECT_EQ(unknown.status, 1) << unknown;
  EXPECT_NE(unknown.err.find("no tenant has the name 'umbrella'"), std::string::npos) << unknown;
  const Finished nobody = run({flowctl_program(), "--socket", gateway_.file("none.sock"), "explain",
                               "tcp 100.64.0.2:1 > 192.0.2.1:53"});
  EXPECT_EQ(nobody.status, 3) << nobody;
}

}  // namespace
}  // namespace integration
