// Forwarding between tunnels: flows of any protocol, and tunnels that come back.
//
//     client ==SEQPACKET==> liftgate serve ==SEQPACKET==> peer

#include <string>

#include <gtest/gtest.h>

#include "flows/reply.h"
#include "integration/support/accept.h"
#include "integration/support/client_network.h"
#include "integration/support/drops.h"
#include "integration/support/gateway_process.h"
#include "integration/support/servers.h"
#include "integration/support/tunnels.h"
#include "integration/support/udp_client.h"
#include "tests/support/packet_builder.h"

namespace integration {
namespace {

using test_support::ip;

TunnelOptions tunnel(const std::string& name, int host) {
  return {.name = name,
          .addresses = {"100.64.0." + std::to_string(host) + "/32",
                        "fd00:64::" + std::to_string(host) + "/128"}};
}

// ---- Any protocol ----

constexpr unsigned kGre = 47, kEsp = 50, kSctp = 132;

TEST(ForwardedProtocol, WithoutPortsIsAFlowOfItsAddresses) {
  const GatewayProcess gateway;
  const auto client = TunnelConnection::open(gateway.onramp(), tunnel("", 2));
  const auto peer = TunnelConnection::open(gateway.onramp(), tunnel("", 3));
  wait_for_tunnels(gateway, 2);
  for (const unsigned protocol : {kGre, kEsp, kSctp}) {
    for (const auto& [from, to] :
         {std::pair{"100.64.0.2", "100.64.0.3"}, std::pair{"fd00:64::2", "fd00:64::3"}}) {
      client.send(ip(protocol, from, to).payload("one two three").build());
      const auto there = peer.receive();
      ASSERT_TRUE(there) << protocol;
      EXPECT_EQ(static_cast<unsigned>(flows::parse(*there, {})->protocol), protocol);
      peer.send(ip(protocol, to, from).payload("back again").build());
      ASSERT_TRUE(client.receive()) << protocol;
    }
  }
  const auto flows = gateway.flows();
  ASSERT_EQ(flows.size(), 6U);
  for (const auto& flow : flows) {
    EXPECT_EQ(flow.at("action"), "forward");
    EXPECT_EQ(flow.at("up").at("packets"), 1);
    EXPECT_EQ(flow.at("down").at("packets"), 1);
  }
  EXPECT_EQ(flows[0].at("protocol"), "47");
}

TEST(ForwardedProtocol, ErrorAboutItReachesWhoSentIt) {
  const GatewayProcess gateway;
  const auto client = TunnelConnection::open(gateway.onramp(), tunnel("", 2));
  const auto peer = TunnelConnection::open(gateway.onramp(), tunnel("", 3));
  wait_for_tunnels(gateway, 2);
  client.send(ip(kEsp, "100.64.0.2", "100.64.0.3").payload("one two three").build());
  const auto there = peer.receive();
  ASSERT_TRUE(there);
  peer.send(
      test_support::icmp("100.64.0.3", "100.64.0.2").icmp(3, 4, 1280).payload(*there).build());

  const auto error = client.receive();
  ASSERT_TRUE(error);
  EXPECT_EQ(flows::parse(*error, {})->icmp_type, 3);
}

// RFC 1122 3.2.2.1, RFC 4443 3.4: nobody here speaks it.
TEST(ForwardedProtocol, IsRefusedWhereItCannotBeForwarded) {
  const GatewayProcess gateway;
  const auto client = TunnelConnection::open(gateway.onramp(), tunnel("", 2));
  client.send(ip(kEsp, "100.64.0.2", host::kServer4).payload("one two three").build());
  const auto v4 = client.receive();
  ASSERT_TRUE(v4);
  EXPECT_EQ(flows::parse(*v4, {})->icmp_type, 3);
  EXPECT_EQ(flows::parse(*v4, {})->icmp_code, 2);
  client.send(ip(kEsp, "fd00:64::2", host::kServer6).payload("one two three").build());
  const auto v6 = client.receive();
  ASSERT_TRUE(v6);
  EXPECT_EQ(flows::parse(*v6, {})->icmp_type, 4);
  EXPECT_EQ(flows::parse(*v6, {})->icmp_code, 1);
  EXPECT_EQ(drops(gateway)["unsupported_protocol"], 2U);
}

// ---- Rules about a type of ICMP ----

// A type that asks for no answer and reports no error, in both families (RFC 4727).
constexpr unsigned kOther = 253;

// Two tunnels, and no echo requests from one to the other.
class ForwardedIcmp : public testing::TestWithParam<bool> {
 protected:
  ForwardedIcmp() { wait_for_tunnels(gateway_, 2); }

  [[nodiscard]] std::string near() const { return GetParam() ? "100.64.0.2" : "fd00:64::2"; }
  [[nodiscard]] std::string far() const { return GetParam() ? "100.64.0.3" : "fd00:64::3"; }
  // Of the packet that arrives there, or nothing.
  static std::optional<unsigned> type_at(const TunnelConnection& tunnel) {
    const auto packet = tunnel.receive();
    return packet ? std::optional<unsigned>(flows::parse(*packet, {})->icmp_type) : std::nullopt;
  }
  [[nodiscard]] unsigned request() const { return GetParam() ? 8 : 128; }
  [[nodiscard]] unsigned reply() const { return GetParam() ? 0 : 129; }

  const GatewayProcess gateway_{{.rules = R"(
  - {name: no-ping, match: {source: [100.64.0.2, 'fd00:64::2'], icmp_type: echo_request}, action: drop}
  - {name: all, action: forward})"}};
  const TunnelConnection near_ = TunnelConnection::open(gateway_.onramp(), tunnel("", 2));
  const TunnelConnection far_ = TunnelConnection::open(gateway_.onramp(), tunnel("", 3));
};
INSTANTIATE_TEST_SUITE_P(Families, ForwardedIcmp, testing::Bool(),
                         [](const auto& family) { return family.param ? "IPv4" : "IPv6"; });

// A reply that nobody has asked for opened a flow once, on which the request then went through.
TEST_P(ForwardedIcmp, UnaskedReplyOpensNoWayForTheRequest) {
  near_.send(test_support::echo_reply(near(), far(), 77).build());
  near_.send(test_support::echo_request(near(), far(), 77).build());
  near_.send(test_support::icmp(near(), far()).icmp(kOther, 0).build());
  EXPECT_EQ(type_at(far_), kOther) << "something else came through";
  EXPECT_EQ(drops(gateway_)["no_flow"], 1U);
  EXPECT_EQ(drops(gateway_)["dropped_by_rule"], 1U);
}

TEST_P(ForwardedIcmp, TypesWithoutAnIdentifierAreJudgedEachForItself) {
  near_.send(test_support::icmp(near(), far()).icmp(kOther, 0).build());
  EXPECT_EQ(type_at(far_), kOther);
  near_.send(test_support::echo_request(near(), far(), 0).build());
  near_.send(test_support::icmp(near(), far()).icmp(kOther + 1, 0).build());
  EXPECT_EQ(type_at(far_), kOther + 1) << "the echo request came through";
  EXPECT_EQ(gateway_.flowctl({"flows", "rule=all"}).size(), 2U);
}

TEST_P(ForwardedIcmp, WhoIsAskedAnswersAndMayNotAskThere) {
  far_.send(test_support::echo_request(far(), near(), 77).build());
  EXPECT_EQ(type_at(near_), request());
  near_.send(test_support::echo_request(near(), far(), 77).build());
  near_.send(test_support::echo_reply(near(), far(), 77).build());
  EXPECT_EQ(type_at(far_), reply());
  EXPECT_EQ(drops(gateway_)["dropped_by_rule"], 1U);
}

// Both ends of a flow that is refused may have the same port, and other protocols have none: what
// comes the other way is a flow of its own.
TEST(RefusedFlow, DoesNotStandInTheWayOfTheOtherDirection) {
  const GatewayProcess gateway({.rules = R"(
  - {name: no, match: {source: 100.64.0.2}, action: drop}
  - {name: all, action: forward})"});
  const auto near = TunnelConnection::open(gateway.onramp(), tunnel("", 2));
  const auto far = TunnelConnection::open(gateway.onramp(), tunnel("", 3));
  wait_for_tunnels(gateway, 2);
  const auto ike = [](const char* from, const char* to) {
    return test_support::udp(std::string(from) + ":500", std::string(to) + ":500").payload("x");
  };
  near.send(ike("100.64.0.2", "100.64.0.3").build());
  near.send(ip(kEsp, "100.64.0.2", "100.64.0.3").payload("one two three").build());
  EXPECT_TRUE(eventually([&] { return drops(gateway)["dropped_by_rule"] == 2; }));

  const auto said = gateway.flowctl({"explain", "udp 100.64.0.3:500 > 100.64.0.2:500"});
  EXPECT_EQ(said.at("rule"), "all");
  far.send(ike("100.64.0.3", "100.64.0.2").build());
  ASSERT_TRUE(near.receive());
  far.send(ip(kEsp, "100.64.0.3", "100.64.0.2").payload("one two three").build());
  ASSERT_TRUE(near.receive());
  near.send(ike("100.64.0.2", "100.64.0.3").build());  // the answer
  ASSERT_TRUE(far.receive());
  EXPECT_EQ(gateway.flowctl({"flows", "rule=no"}).size(), 0U);
  EXPECT_EQ(gateway.flowctl({"flows", "rule=all"}).size(), 2U);
}

// Where both directions are refused, each is one flow for as long as its packets come.
TEST(RefusedFlow, OfEachDirectionStands) {
  const GatewayProcess gateway({.rules = "\n  - {name: no, action: drop}"});
  const auto near = TunnelConnection::open(gateway.onramp(), tunnel("", 2));
  const auto far = TunnelConnection::open(gateway.onramp(), tunnel("", 3));
  wait_for_tunnels(gateway, 2);
  for (int i = 0; i < 10; ++i) {
    near.send(test_support::udp("100.64.0.2:500", "100.64.0.3:500").payload("x").build());
    far.send(test_support::udp("100.64.0.3:500", "100.64.0.2:500").payload("x").build());
    EXPECT_TRUE(eventually(
        [&] { return drops(gateway)["dropped_by_rule"] == 2 * (static_cast<unsigned>(i) + 1); }));
  }
  EXPECT_EQ(gateway.flowctl({"stats"}).at("flows_opened"), 2);
}

TEST(ForwardedFlow, ThatIsKilledIsResetOnBothSides) {
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp(), tunnel("", 2));
  const ClientNetwork peer(gateway.onramp(), tunnel("", 3));
  wait_for_tunnels(gateway, 2);
  const base::Fd listener = peer.listen("100.64.0.3");
  TcpConnection connection = client.connect(local_endpoint(listener));
  TcpConnection accepted = accept_from(listener);
  const auto id = gateway.flows().at(0).at("id").get<std::uint64_t>();

  EXPECT_EQ(gateway.run_flowctl({"kill", std::to_string(id)}).status, 0);

  accepted.send("x");
  EXPECT_EQ(accepted.wait_for_end(), End::kReset);
  connection.send("x");
  EXPECT_EQ(connection.wait_for_end(), End::kReset);
}

// ---- Tunnels that come back ----

class ComesBack : public testing::Test {
 protected:
  ComesBack() { wait_for_tunnels(gateway_, 2); }

  // A connection of each kind, upgraded and forwarded, that works.
  struct Pair {
    TcpConnection near;
    TcpConnection far;
  };
  TcpConnection upgraded() {
    TcpConnection connection = client_.connect(server_.endpoint());
    connection.send("x");
    EXPECT_EQ(connection.receive(1), "x");
    return connection;
  }
  Pair forwarded() {
    const base::Fd listener = peer_.listen("100.64.0.3");
    TcpConnection near = client_.connect(local_endpoint(listener));
    TcpConnection far = accept_from(listener);
    return {std::move(near), std::move(far)};
  }
  static void expect_works(TcpConnection& from, TcpConnection& to) {
    from.send("after");
    EXPECT_EQ(to.receive(5), "after");
  }
  std::size_t ended() {
    std::size_t count = 0;
    for (const auto& line : gateway_.audit()) {
      count += line.at("event") == "flow_end" ? 1U : 0U;
    }
    return count;
  }

  GatewayProcess gateway_{{.flows = "{timeouts: {tcp_time_wait: 100ms, tunnel_away: 10s}}"}};
  ClientNetwork client_{gateway_.onramp(), tunnel("laptop", 2)};
  ClientNetwork peer_{gateway_.onramp(), tunnel("server", 3)};
  TcpServer server_ = TcpServer::echo();
  UdpServer udp_server_ = UdpServer::echo();
};

TEST_F(ComesBack, FlowsGoOnOverTheNewTunnel) {
  TcpConnection proxied = upgraded();
  Pair direct = forwarded();
  const UdpClient socket(client_);
  EXPECT_EQ(socket.ask(udp_server_.endpoint(), "before").payload, "before");
  const auto before = gateway_.flowctl({"tunnels"});

  client_.close_tunnel();
  EXPECT_TRUE(eventually([&] { return gateway_.flowctl({"tunnels"}).size() == 1; }));
  client_.reopen_tunnel(gateway_.onramp(), tunnel("laptop", 2));

  proxied.send("after");
  EXPECT_EQ(proxied.receive(5), "after");
  expect_works(direct.near, direct.far);
  expect_works(direct.far, direct.near);
  EXPECT_EQ(socket.ask(udp_server_.endpoint(), "after").payload, "after");
  EXPECT_EQ(gateway_.flows().size(), 3U);
  EXPECT_EQ(ended(), 0U);
  for (const auto& shown : gateway_.flowctl({"tunnels"})) {
    EXPECT_EQ(shown.at("flows"), shown.at("name") == "laptop" ? 3 : 0);
  }
}

// Who lost the connection may know so long before the gateway does.
TEST_F(ComesBack, NewTunnelSupersedesTheOneThatIsStillOpen) {
  TcpConnection proxied = upgraded();
  Pair direct = forwarded();

  auto again = TunnelConnection::open(gateway_.onramp(), tunnel("laptop", 2));
  EXPECT_TRUE(client_.wait_for_gateway_to_close());
  again.close();
  client_.reopen_tunnel(gateway_.onramp(), tunnel("laptop", 2));

  proxied.send("after");
  EXPECT_EQ(proxied.receive(5), "after");
  expect_works(direct.near, direct.far);
  expect_works(direct.far, direct.near);
  EXPECT_EQ(ended(), 0U);
}

TEST_F(ComesBack, PeerOfForwardedFlowsMayComeBackToo) {
  Pair direct = forwarded();
  peer_.reopen_tunnel(gateway_.onramp(), tunnel("server", 3));
  expect_works(direct.far, direct.near);
  expect_works(direct.near, direct.far);
}

TEST_F(ComesBack, TunnelWithOtherAddressesTakesNothingOver) {
  TcpConnection proxied = upgraded();
  const auto other = TunnelConnection::open(gateway_.onramp(), tunnel("laptop", 9));
  wait_for_tunnels(gateway_, 2);
  EXPECT_EQ(gateway_.wait_for_audit("flow_end", 1).front().at("reason"), "tunnel_closed");
  EXPECT_EQ(server_.wait_for_connection(0).end, End::kReset);
}

TEST(StaysAway, FlowsOfANamedTunnelEndAfterAMoment) {
  const GatewayProcess gateway({.flows = "{timeouts: {tunnel_away: 200ms}}"});
  ClientNetwork client(gateway.onramp(), tunnel("laptop", 2));
  const TcpServer server = TcpServer::echo();
  TcpConnection connection = client.connect(server.endpoint());
  connection.send("x");
  EXPECT_EQ(connection.receive(1), "x");

  client.close_tunnel();

  EXPECT_EQ(gateway.wait_for_audit("flow_end", 1).front().at("reason"), "tunnel_closed");
  EXPECT_EQ(server.wait_for_connection(0).end, End::kReset);
  EXPECT_EQ(gateway.flows().size(), 0U);
  EXPECT_EQ(gateway.flowctl({"nat"}).at("claimed"), 0);
}

TEST(StaysAway, GatewayThatStopsMeanwhileSaysWhatHappened) {
  GatewayProcess gateway({.flows = "{timeouts: {tunnel_away: 1h}}"});
  ClientNetwork client(gateway.onramp(), tunnel("laptop", 2));
  const TcpServer server = TcpServer::echo();
  TcpConnection connection = client.connect(server.endpoint());
  client.close_tunnel();
  EXPECT_TRUE(eventually([&] { return gateway.flowctl({"tunnels"}).empty(); }));
  gateway.signal(SIGTERM);
  EXPECT_EQ(gateway.wait_for_audit("flow_end", 1).front().at("reason"), "tunnel_closed");
}

}  // namespace
}  // namespace integration
