// What an app's hooks of the egress do: what a name means, which address is dialled, what datagrams
// leave by.
//
//     [client 100.64.0.2] ==SEQPACKET== every_hook, which is a gateway ==== dnsmasq, servers

#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
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

using testing::Contains;
using testing::HasSubstr;
using Words = std::vector<std::string>;

constexpr auto kName = "www.example.test";

Words answers_of(const GatewayProcess& gateway, std::uint64_t flow) {
  Words answers;
  const auto report = gateway.flowctl({"flow", std::to_string(flow), "--hooks"});
  for (const auto& call : report.at("calls")) {
    if (!call.at("answer").is_null()) {
      answers.push_back(call.at("hook").get<std::string>() + ": " +
                        call.at("answer").get<std::string>());
    }
  }
  return answers;
}

class EgressHooks : public testing::Test {
 protected:
  void start(const std::string& app, const std::string& rules = "") {
    gateway_.emplace(GatewayConfig{.rules = rules,
                                   .flows = kQuickTimeWait,
                                   .more = "hooks: {trace: 16}\napp: {" + app + "}",
                                   .program = EVERY_HOOK_PROGRAM});
    client_.emplace(gateway_->onramp());
  }
  // The client is told that the name has both of the server's addresses.
  void look_up() {
    ASSERT_TRUE(looks_up(*client_, kName, "A", host::kServer4)) << resolver_.err();
    ASSERT_TRUE(looks_up(*client_, kName, "AAAA", host::kServer6)) << resolver_.err();
  }
  // With other words in its file.
  void reload_with(const std::string& instead, const std::string& of) const {
    std::ifstream file(gateway_->file("config.yaml"));
    std::string text{std::istreambuf_iterator<char>(file), {}};
    text.replace(text.find(of), of.size(), instead);
    std::ofstream(gateway_->file("config.yaml")) << text;
    const Finished done = run({liftgate_program(), "reload", "--socket", gateway_->control()});
    EXPECT_EQ(done.status, 0) << done;
  }
  // The flow of a connection that is open now.
  nlohmann::json flow() const { return gateway_->flowctl({"flows", "protocol=tcp"}).at(0); }
  // Where the v6 server is, asked for by its other address, at which nobody listens.
  [[nodiscard]] base::Endpoint v4_of_server() const {
    return {*base::IpAddress::parse(host::kServer4), server_.endpoint().port};
  }

  const Program resolver_ =
      start_resolver({std::string("--address=/example.test/") + host::kServer4,
                      std::string("--address=/example.test/") + host::kServer6});
  const TcpServer server_ = TcpServer::echo(host::kServer6);
  std::optional<GatewayProcess> gateway_;
  std::optional<ClientNetwork> client_;
};

TEST_F(EgressHooks, SayWhatANameMeans) {
  start(std::string("resolve: [\"") + host::kServer6 + "\"]");
  look_up();
  const TcpConnection connection = client_->connect(v4_of_server());
  EXPECT_EQ(flow().at("upstream"), server_.endpoint().to_string());
  EXPECT_THAT(answers_of(*gateway_, flow().at("id")),
              Contains(std::string("egress_resolve: ") + host::kServer6));
  EXPECT_THAT(gateway_->log(), HasSubstr(std::string("name=") + kName + " known=2"));
}

TEST_F(EgressHooks, AreNotAskedOfAnAddressThatNobodyHasNamed) {
  start(std::string("resolve: [\"") + host::kServer6 + "\"]");
  EXPECT_EQ(client_->try_connect(v4_of_server()), std::errc::connection_refused);
}

TEST_F(EgressHooks, SayThatThereIsNoSuchName) {
  start("refuses: egress_resolve");
  look_up();
  EXPECT_EQ(client_->try_connect(server_.endpoint()), std::errc::host_unreachable);
  EXPECT_THAT(gateway_->wait_for_audit("flow_end", 1).back().at("reason"), "unreachable");
}

TEST_F(EgressHooks, HaveTheNextAddressDialledWhenOneFails) {
  start(std::string("resolve: [") + host::kServer4 + ", \"" + host::kServer6 + "\"]");
  look_up();
  const TcpConnection connection = client_->connect(v4_of_server());
  EXPECT_EQ(flow().at("upstream"), server_.endpoint().to_string());
}

TEST_F(EgressHooks, LeaveTheTruthOfTheLastAddressToTheClient) {
  start(std::string("resolve: [") + host::kServer4 + ", 192.0.2.9]");
  look_up();
  EXPECT_EQ(client_->try_connect(v4_of_server()), std::errc::connection_refused);
}

TEST_F(EgressHooks, ChooseAmongTheAddressesThatTheTenantWasTold) {
  start("reverse: true");
  look_up();
  const TcpConnection connection = client_->connect(v4_of_server());
  EXPECT_EQ(flow().at("upstream"), server_.endpoint().to_string());
  EXPECT_THAT(answers_of(*gateway_, flow().at("id")),
              Contains(std::string("egress_choose: ") + host::kServer6 + " " + host::kServer4));
}

TEST_F(EgressHooks, ThatChooseNothingOfItLeaveTheAddressThatWasAskedFor) {
  start("");
  look_up();
  EXPECT_EQ(client_->try_connect(v4_of_server()), std::errc::connection_refused);
}

TEST_F(EgressHooks, ThatChooseNoneRefuse) {
  start("refuses: egress_choose");
  look_up();
  EXPECT_EQ(client_->try_connect(server_.endpoint()), std::errc::connection_refused);
  EXPECT_TRUE(server_.connections().empty());
}

TEST_F(EgressHooks, ThatThrowLeaveTheAddressThatWasAskedFor) {
  for (const std::string hook : {"egress_resolve", "egress_choose"}) {
    start("throws: " + hook);
    look_up();
    const TcpConnection connection = client_->connect(server_.endpoint());
    EXPECT_EQ(flow().at("upstream"), server_.endpoint().to_string());
    EXPECT_THAT(gateway_->log(), HasSubstr("hook failed hook=" + hook));
    client_.reset();
  }
}

TEST_F(EgressHooks, LeaveAReloadTheRedirectsThatAreNotTheirs) {
  const TcpServer first = TcpServer::echo();
  const TcpServer second = TcpServer::echo(host::kOtherServer4);
  start("", "\n  - {name: aside, match: {destination: 198.51.100.1/32}, redirect: " +
                first.endpoint().to_string() + "}");
  TcpConnection connection =
      client_->connect({*base::IpAddress::parse("198.51.100.1"), base::Port{80}});
  EXPECT_EQ(flow().at("upstream"), first.endpoint().to_string());
  reload_with(second.endpoint().to_string(), first.endpoint().to_string());
  EXPECT_EQ(connection.wait_for_end(), End::kReset);
  EXPECT_EQ(gateway_->wait_for_audit("flow_end", 1).back().at("reason"), "policy");
}

TEST_F(EgressHooks, KeepWhatTheyHaveMovedOverAReload) {
  start(std::string("resolve: [\"") + host::kServer6 + "\"]",
        "\n  - {name: before, action: upgrade}");
  look_up();
  TcpConnection connection = client_->connect(v4_of_server());
  reload_with("name: after", "name: before");
  connection.send("x");
  EXPECT_EQ(connection.receive(1), "x");
  EXPECT_EQ(flow().at("rule"), "after");
}

// The rules let the next address through that held before.
TEST_F(EgressHooks, AddressesThatWereToBeDialledNextAreForgottenByAReload) {
  for (const auto& words :
       std::vector<Words>{{"ip", "link", "add", "hole0", "type", "veth", "peer", "name", "hole1"},
                          {"ip", "addr", "add", "198.51.102.1/24", "dev", "hole0"},
                          {"ip", "link", "set", "hole0", "up"},
                          {"ip", "link", "set", "hole1", "up"}}) {
    host::shape(words);  // nobody is there, which is known after three seconds (ARP)
  }
  start(std::string("resolve: [198.51.102.2, \"") + host::kServer6 + "\"]",
        "\n  - {name: before, action: upgrade}");
  look_up();
  Program connecting = client_->start(
      {"bash", "-c",
       std::string("exec 3<>/dev/tcp/") + host::kServer4 + "/" + std::to_string(server_.port())});
  ASSERT_TRUE(eventually([&] { return gateway_->flowctl({"stats"}).at("dials") == 1; }));
  reload_with("name: after", "name: before");
  EXPECT_EQ(connecting.wait().status, 1);
  EXPECT_TRUE(server_.connections().empty());
  host::shape({"ip", "link", "delete", "hole0"});
}

// A name may have been given an address that its client must not reach.
TEST_F(EgressHooks, AreNotOfferedAddressesThatTheRulesForbid) {
  start("reverse: true", std::string("\n  - {name: no-six, match: {destination: \"") +
                             host::kServer6 + "/128\", protocol: tcp}, action: reject}");
  look_up();
  EXPECT_EQ(client_->try_connect(v4_of_server()), std::errc::connection_refused);
  EXPECT_THAT(gateway_->log(), HasSubstr(std::string("name=") + kName + " known=1"));
}

TEST_F(EgressHooks, NameAnUpstreamThatIsLookedUpWithTheApp) {
  start(std::string("name: inside.test, resolve: [\"") + host::kServer6 + "\"]");
  const TcpConnection connection = client_->connect(v4_of_server());
  EXPECT_EQ(flow().at("upstream"), server_.endpoint().to_string());
}

TEST_F(EgressHooks, NameAnUpstreamThatNobodyKnows) {
  start("name: inside.test");
  EXPECT_EQ(client_->try_connect(server_.endpoint()), std::errc::host_unreachable);
  EXPECT_TRUE(server_.connections().empty());
}

// One flow has its own way; the others of the source still share one port outside.
class EgressDatagrams : public EgressHooks {
 protected:
  const UdpServer asked_ = UdpServer::silent();
  const UdpServer other_ = UdpServer::echo();
};

TEST_F(EgressDatagrams, AreSentElsewhereAndAnsweredFromWhereTheyWereSent) {
  start("datagrams: send_to, to: \"" + other_.endpoint().to_string() + "\"");
  const UdpClient udp(*client_);
  const auto answer = udp.ask(asked_.endpoint(), "x");
  EXPECT_EQ(answer.payload, "x");
  EXPECT_EQ(answer.from, asked_.endpoint());
  EXPECT_TRUE(asked_.received().empty());
  EXPECT_EQ(gateway_->flows().at(0).at("upstream"), other_.endpoint().to_string());
}

TEST_F(EgressDatagrams, LeaveByASocketOfTheApp) {
  start("datagrams: use, to: \"" + other_.endpoint().to_string() + "\"");
  const UdpClient udp(*client_);
  for (int i = 0; i < 2; ++i) {
    const auto answer = udp.ask(asked_.endpoint(), "x");
    EXPECT_EQ(answer.payload, "x");
    EXPECT_EQ(answer.from, asked_.endpoint());
  }
  const auto received = other_.wait_for_datagrams(2);
  EXPECT_EQ(received.at(0).from, received.at(1).from);
  EXPECT_TRUE(asked_.received().empty());
  // Each flow has one of its own.
  const UdpServer third = UdpServer::silent();
  EXPECT_EQ(udp.ask(third.endpoint(), "y").from, third.endpoint());
  EXPECT_NE(other_.wait_for_datagrams(3).at(2).from, received.at(0).from);
}

TEST_F(EgressDatagrams, OfOtherFlowsShareThePortOfTheirSource) {
  start("");
  const UdpClient udp(*client_);
  const UdpServer third = UdpServer::echo();
  EXPECT_EQ(udp.ask(other_.endpoint(), "x").payload, "x");
  EXPECT_EQ(udp.ask(third.endpoint(), "y").payload, "y");
  EXPECT_EQ(other_.received().at(0).from, third.received().at(0).from);
}

TEST_F(EgressDatagrams, ThatFailAreSaidToTheClient) {
  start("datagrams: use, to: \"" + closed_port().to_string() + "\"");
  const UdpClient udp(*client_);
  udp.connect(asked_.endpoint());
  ASSERT_EQ(::send(udp.socket().get(), "x", 1, 0), 1);
  EXPECT_EQ(udp.receive().error, ECONNREFUSED);
}

TEST_F(EgressDatagrams, AreRefusedOnceForAll) {
  start("refuses: egress_datagrams");
  const UdpClient udp(*client_);
  udp.connect(other_.endpoint());
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(::send(udp.socket().get(), "x", 1, 0), 1);
    EXPECT_EQ(udp.receive().error, EHOSTUNREACH);  // "administratively prohibited"
  }
  EXPECT_TRUE(other_.received().empty());
  EXPECT_EQ(gateway_->flows().size(), 1U);
  EXPECT_EQ(gateway_->flows().at(0).at("rule"), "hook");
  EXPECT_EQ(drops(*gateway_).at("rejected_by_rule"), 2U);
}

}  // namespace
}  // namespace integration
