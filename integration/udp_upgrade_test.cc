// UDP through the real gateway: datagrams, mappings, filters, errors and limits.
//
//     UDP sockets, dig [client sandbox, MTU 1400]
//          | SEQPACKET
//     liftgate serve --- one socket per client port ---> UdpServer, dnsmasq on 192.0.2.1,
//                                                         2001:db8::1; others on 192.0.2.2

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/drops.h"
#include "integration/support/gateway_process.h"
#include "integration/support/resolver.h"
#include "integration/support/servers.h"
#include "integration/support/udp_client.h"

namespace integration {
namespace {

using base::Endpoint;

std::uint64_t dropped(const GatewayProcess& gateway, const std::string& reason) {
  for (const auto& drop : gateway.flowctl({"drops"})) {
    if (drop.at("name") == reason) {
      return drop.at("count").get<std::uint64_t>();
    }
  }
  return 0;
}

// Answers "N" with N bytes, and anything else with itself.
UdpServer sizing_server(const std::string& address) {
  return UdpServer(
      [](const std::string& asked, const Endpoint&) {
        const bool is_number = !asked.empty() && std::ranges::all_of(asked, ::isdigit);
        return is_number ? std::string(std::stoul(asked), 'x') : asked;
      },
      address);
}

class Udp : public testing::TestWithParam<std::string> {
 protected:
  [[nodiscard]] int family() const { return GetParam() == host::kServer4 ? AF_INET : AF_INET6; }
  const std::string server_address_ = GetParam();
};
INSTANTIATE_TEST_SUITE_P(Families, Udp, testing::Values(host::kServer4, host::kServer6),
                         [](const auto& tested) {
                           return tested.param == host::kServer4 ? "IPv4" : "IPv6";
                         });

TEST_P(Udp, DatagramsOfEverySizeComeBackFromWhomTheyWereSentTo) {
  const UdpServer server = UdpServer::echo(server_address_);
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());
  const UdpClient socket(client, family());
  for (const std::size_t size : {1U, 0U, 100U, 1351U, 1352U}) {
    if (server_address_ == host::kServer4 || size <= 1352) {
      const std::string sent(size, 'x');
      const auto got = socket.ask(server.endpoint(), sent);
      EXPECT_EQ(got.payload, sent);
      EXPECT_EQ(got.from, server.endpoint());
    }
  }
}

TEST_P(Udp, AnswersLongerThanTheTunnelComeInFragments) {
  const UdpServer server = sizing_server(server_address_);
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());
  const UdpClient socket(client, family());
  for (const std::size_t size : {1372U, 1373U, 5000U, 60'000U}) {
    EXPECT_EQ(socket.ask(server.endpoint(), std::to_string(size)).payload, std::string(size, 'x'));
  }
}

TEST_P(Udp, SixtyKilobytesPassBothWaysThroughAWideTunnel) {
  const UdpServer server = UdpServer::echo(server_address_);
  const GatewayProcess gateway;
  TunnelOptions wide;
  wide.mtu = 65'000;
  const ClientNetwork client(gateway.onramp(), wide);
  const std::string sent(60'000, 'x');

  EXPECT_TRUE(UdpClient(client, family()).ask(server.endpoint(), sent).payload == sent);
}

TEST_P(Udp, ClosedPortIsRefused) {
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());
  const UdpClient socket(client, family());
  socket.connect(closed_port(server_address_));

  must_call(::send(socket.socket().get(), "x", 1, 0), "send");

  EXPECT_EQ(socket.receive().error, ECONNREFUSED);
}

TEST_P(Udp, OneClientPortIsOneOutsidePort) {
  const UdpServer one = UdpServer::echo(server_address_);
  const UdpServer other = UdpServer::echo(server_address_ == host::kServer4 ? host::kOtherServer4
                                                                            : host::kOtherServer6);
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());
  const UdpClient socket(client, family());

  (void)socket.ask(one.endpoint(), "a");
  (void)socket.ask(other.endpoint(), "b");

  EXPECT_EQ(one.received().front().from.port, other.received().front().from.port);
}

// What a stranger sends to the client's outside port, after the client has spoken to the server.
class UdpFilter : public testing::Test {
 protected:
  explicit UdpFilter(const std::string& more = {}) : gateway_({.more = more}) {
    (void)socket_.ask(server_.endpoint(), "hello");
  }
  [[nodiscard]] Endpoint outside() const { return server_.received().front().from; }

  UdpServer server_ = UdpServer::echo();
  UdpServer same_address_ = UdpServer::echo();
  UdpServer other_address_ = UdpServer::echo(host::kOtherServer4);
  GatewayProcess gateway_;
  ClientNetwork client_{gateway_.onramp()};
  UdpClient socket_{client_};
};

TEST_F(UdpFilter, LetsOtherPortsOfTheSameAddressIn) {
  same_address_.send_to(outside(), "from another port");

  const auto got = socket_.receive();
  EXPECT_EQ(got.payload, "from another port");
  EXPECT_EQ(got.from, same_address_.endpoint());
}

TEST_F(UdpFilter, KeepsOtherAddressesOutAndCountsThem) {
  other_address_.send_to(outside(), "from a stranger");

  EXPECT_TRUE(eventually([&] { return dropped(gateway_, "filtered_reply") == 1; }));
  EXPECT_EQ(socket_.ask(server_.endpoint(), "next").payload, "next");
}

class UdpFilterOfPorts : public UdpFilter {
 protected:
  UdpFilterOfPorts() : UdpFilter("udp: {filter: address_and_port_dependent}") {}
};
TEST_F(UdpFilterOfPorts, KeepsOtherPortsOut) {
  same_address_.send_to(outside(), "from another port");

  EXPECT_TRUE(eventually([&] { return dropped(gateway_, "filtered_reply") == 1; }));
}

class UdpFilterOfNobody : public UdpFilter {
 protected:
  UdpFilterOfNobody() : UdpFilter("udp: {filter: endpoint_independent}") {}
};
TEST_F(UdpFilterOfNobody, LetsEverybodyIn) {
  other_address_.send_to(outside(), "from a stranger");

  EXPECT_EQ(socket_.receive().from, other_address_.endpoint());
}

TEST(UdpPolicy, WhoMayNotBeAskedMayNotAnswer) {
  const UdpServer server = UdpServer::echo();
  const UdpServer forbidden = UdpServer::echo();
  const GatewayProcess gateway({.rules = "- {name: no, match: {destination_port: [" +
                                         std::to_string(forbidden.port()) + "]}, action: drop}"});
  const ClientNetwork client(gateway.onramp());
  const UdpClient socket(client);
  (void)socket.ask(server.endpoint(), "hello");

  forbidden.send_to(server.received().front().from, "from a forbidden port");

  EXPECT_TRUE(eventually([&] { return dropped(gateway, "filtered_reply") == 1; }));
}

TEST(UdpScale, TwoThousandSocketsAtOnceEachGetTheirAnswer) {
  const UdpServer server = UdpServer::echo();
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());
  rlimit limit{};
  must_call(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  must_call(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
  std::vector<UdpClient> sockets;
  for (int i = 0; i < 2000; ++i) {
    sockets.emplace_back(client);
  }
  // The server's receive buffer holds 277 small datagrams (net.core.rmem_default), however late it
  // gets a processor.
  constexpr std::size_t kAtATime = 200;
  for (std::size_t first = 0; first < sockets.size(); first += kAtATime) {
    for (std::size_t i = first; i < first + kAtATime; ++i) {
      sockets[i].send_to(server.endpoint(), std::to_string(i));
    }
    for (std::size_t i = first; i < first + kAtATime; ++i) {
      EXPECT_EQ(sockets[i].receive().payload, std::to_string(i));
    }
  }
  EXPECT_EQ(gateway.flows().size(), sockets.size());
}

// A server could fill its client's tenant with flows beside the one that it was asked by, and none
// of them gave way.
TEST(UdpBudget, FlowsThatUpstreamsBeginAreLimitedAndGiveWay) {
  const UdpServer asked = UdpServer::echo();
  const GatewayProcess gateway(
      {.tenants = "- {name: acme, id: 1001, max_flows: 6, max_new_flows: 5/m}"});
  const ClientNetwork client(gateway.onramp());
  const UdpClient socket(client);
  (void)socket.ask(asked.endpoint(), "hello");
  std::vector<UdpServer> others;
  for (int i = 0; i < 20; ++i) {
    others.push_back(UdpServer::silent());
    others.back().send_to(asked.received().front().from, "unasked");
  }
  EXPECT_TRUE(eventually([&] { return drops(gateway).at("reply_flow_limit") == 15; }));
  EXPECT_EQ(gateway.flows().size(), 6U);

  // Once they are a second old; the client has flows of its own left to begin.
  const UdpServer wanted = UdpServer::silent();
  EXPECT_TRUE(eventually([&] {
    socket.send_to(wanted.endpoint(), "wanted");
    return !wanted.received().empty();
  }));
}

TEST(UdpBudget, SocketThatHasBeenIdleForLongestGivesWay) {
  const UdpServer server = UdpServer::echo();
  const GatewayProcess gateway({.tenants = "- {name: acme, id: 1001, max_udp_sockets: 2}"});
  const ClientNetwork client(gateway.onramp());
  const UdpClient first(client);
  const UdpClient second(client);
  const UdpClient third(client);
  (void)first.ask(server.endpoint(), "first");
  (void)second.ask(server.endpoint(), "second");
  third.connect(server.endpoint());

  // Both are in use at first.
  must_call(::send(third.socket().get(), "x", 1, 0), "send");
  EXPECT_NE(third.receive().error, 0);
  EXPECT_EQ(dropped(gateway, "no_udp_socket"), 1U);

  EXPECT_TRUE(eventually([&] {
    (void)second.ask(server.endpoint(), "still here");
    return ::send(third.socket().get(), "third", 5, 0) == 5 && third.receive().payload == "third";
  }));
  bool evicted_first = false;
  for (const auto& end : gateway.wait_for_audit("flow_end", 2)) {
    evicted_first |= end.at("reason") == "evicted";
  }
  EXPECT_TRUE(evicted_first);
}

// The key of a flow that was killed is in the table until it is forgotten, but no socket has it: a
// second flow of that key ended the gateway.
TEST(UdpKilled, ItsPeerThatSpeaksAgainIsNotHeard) {
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());
  const UdpClient first(AF_INET);
  const UdpClient second(AF_INET);
  const auto bound = [](const UdpClient& socket) {
    base::SocketAddress address(endpoint(host::kServer4 + ":0"));
    must_call(::bind(socket.socket().get(), address.data(), address.size()), "bind");
    must_call(::getsockname(socket.socket().get(), address.data(), &address.size()), "name");
    return address.endpoint().value();
  };
  const base::Endpoint first_at = bound(first);
  const base::Endpoint second_at = bound(second);
  const UdpClient inside(client);
  inside.send_to(first_at, "one");
  const base::Endpoint mapping = first.receive().from;
  inside.send_to(second_at, "two");
  EXPECT_EQ(second.receive().from, mapping);

  const auto flows = gateway.flowctl({"flows", "destination=" + second_at.to_string()});
  ASSERT_EQ(flows.size(), 1U);
  EXPECT_EQ(gateway.run_flowctl({"kill", flows.at(0).at("id").dump()}).status, 0);
  second.send_to(mapping, "again");
  EXPECT_TRUE(eventually([&] { return dropped(gateway, "filtered_reply") == 1; }));
  first.send_to(mapping, "heard");
  EXPECT_EQ(inside.receive().payload, "heard");
}

TEST(UdpDescriptors, WithoutOneTheFlowIsRefusedAndTheGatewayLivesOn) {
  const UdpServer server = UdpServer::echo();
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());
  const UdpClient before(client);
  (void)before.ask(server.endpoint(), "hello");
  rlimit usual{};
  must_call(::prlimit(gateway.pid(), RLIMIT_NOFILE, nullptr, &usual), "prlimit");
  const rlimit none{.rlim_cur = 0, .rlim_max = usual.rlim_max};
  must_call(::prlimit(gateway.pid(), RLIMIT_NOFILE, &none, nullptr), "prlimit");

  const UdpClient refused(client);
  refused.connect(server.endpoint());
  must_call(::send(refused.socket().get(), "x", 1, 0), "send");
  EXPECT_NE(refused.receive().error, 0);
  EXPECT_EQ(before.ask(server.endpoint(), "again").payload, "again");

  must_call(::prlimit(gateway.pid(), RLIMIT_NOFILE, &usual, nullptr), "prlimit");
  EXPECT_EQ(dropped(gateway, "no_descriptor"), 1U);
  EXPECT_EQ(UdpClient(client).ask(server.endpoint(), "after").payload, "after");
}

TEST(UdpErrors, DatagramLongerThanThePathIsToldThePathsMtu) {
  host::shape({"ip", "route", "add", "203.0.113.77", "dev", "world0", "mtu", "1000"});
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());
  const UdpClient socket(client);
  socket.connect(endpoint("203.0.113.77:9"));
  const int always = IP_PMTUDISC_DO;
  ::setsockopt(socket.socket().get(), SOL_IP, IP_MTU_DISCOVER, &always, sizeof(always));

  must_call(::send(socket.socket().get(), std::string(1200, 'x').data(), 1200, 0), "send");

  EXPECT_EQ(socket.receive().error, EMSGSIZE);
  int mtu = 0;
  socklen_t size = sizeof(mtu);
  must_call(::getsockopt(socket.socket().get(), SOL_IP, IP_MTU, &mtu, &size), "IP_MTU");
  EXPECT_EQ(mtu, 1000);
}

TEST(UdpDns, DigGetsItsAnswerFromDnsmasq) {
  const Endpoint at = closed_port();
  const Program dnsmasq = start_resolver(at, {"--address=/example.test/192.0.2.77"});
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());
  const Program::Words dig = {"dig",
                              "+short",
                              "+tries=1",
                              "+time=1",
                              "@" + at.address.to_string(),
                              "-p",
                              std::to_string(number(at.port)),
                              "www.example.test"};

  EXPECT_TRUE(eventually([&] { return client.run(dig).out == "192.0.2.77\n"; }))
      << client.run(dig) << dnsmasq.err();
}

}  // namespace
}  // namespace integration
