// Whose packet it is, is part of what flow it is.
//
//     client of acme,  100.64.0.2 ==SEQPACKET==\            /==> server 1
//                                                > gateway <
//     client of other, 100.64.0.2 ==SEQPACKET==/            \==> server 2

#include <sys/socket.h>

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/servers.h"

namespace integration {
namespace {

constexpr auto kTwoTenants = "\n  - {name: acme, id: 1}\n  - {name: other, id: 2}";

// A connection from the client's port `port`, over whichever tunnel.
TcpConnection connect_from(const ClientNetwork& client, std::uint16_t port,
                           const base::Endpoint& to) {
  base::Fd socket = client.socket(AF_INET, SOCK_STREAM);
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const base::SocketAddress own(
      base::Endpoint{*base::IpAddress::parse("100.64.0.2"), base::Port{port}});
  EXPECT_EQ(::bind(socket.get(), own.data(), own.size()), 0);
  return TcpConnection::connect(std::move(socket), to);
}

// Pitfall: state keyed without the tenant mixes those who have the same addresses.
TEST(Tenants, WithTheSameAddressesAndPortsAreNeverMixed) {
  GatewayProcess gateway({.tenants = kTwoTenants});
  ClientNetwork acme(gateway.onramp(), {.tenant = "acme"});
  ClientNetwork other(gateway.onramp(), {.tenant = "other"});
  const TcpServer server = TcpServer::echo();

  TcpConnection first = connect_from(acme, 40'000, server.endpoint());
  TcpConnection second = connect_from(other, 40'000, server.endpoint());
  first.send("from acme");
  second.send("from other");

  EXPECT_EQ(first.receive(9), "from acme");
  EXPECT_EQ(second.receive(10), "from other");
  const auto flows = gateway.flows();
  ASSERT_EQ(flows.size(), 2U);
  EXPECT_EQ(flows[0].at("source"), flows[1].at("source"));
  EXPECT_NE(flows[0].at("tenant"), flows[1].at("tenant"));
}

// Pitfall 2a #1: a NAT keyed by the source alone sends the second connection to the first server.
TEST(Tenants, SameClientPortToTwoServersReachesEach) {
  GatewayProcess gateway;
  ClientNetwork client(gateway.onramp());
  const TcpServer one = TcpServer::half_closing("one");
  const TcpServer two = TcpServer::half_closing("two", host::kOtherServer4);
  TcpConnection first = connect_from(client, 40'000, one.endpoint());
  TcpConnection second = connect_from(client, 40'000, two.endpoint());
  EXPECT_EQ(second.receive_all(), "two");
  EXPECT_EQ(first.receive_all(), "one");
}

// Pitfall 2a #13. The side that closes first is in TIME-WAIT; the same 5-tuple comes again.
TEST(Tenants, PortReusedWithinTimeWaitWorks) {
  GatewayProcess gateway({.flows = kQuickTimeWait});
  ClientNetwork client(gateway.onramp());
  const TcpServer server = TcpServer::half_closing("bye");
  for (int round = 0; round < 5; ++round) {
    TcpConnection connection = connect_from(client, 40'000, server.endpoint());
    EXPECT_EQ(connection.receive_all(), "bye") << "round " << round;
    connection.close();
    EXPECT_EQ(server.wait_for_connection(static_cast<std::size_t>(round)).end, End::kFin);
  }
  EXPECT_EQ(gateway.wait_for_audit("flow_end", 5).size(), 5U);
}

TEST(Tenants, PacketsToATunnelOfTheSameTenantAreForwarded) {
  GatewayProcess gateway;
  ClientNetwork client(gateway.onramp(), {.name = "client"});
  ClientNetwork peer(gateway.onramp(),
                     {.name = "peer", .addresses = {"100.64.0.3/32", "fd00:64::3/128"}});
  const base::Fd listener = peer.listen("100.64.0.3");
  TcpConnection connection = client.connect(local_endpoint(listener));
  ASSERT_TRUE(ready_within(kPatience, listener));
  base::SocketAddress from;
  TcpConnection accepted(base::Fd::adopt(
      ::accept4(listener.get(), from.data(), &from.size(), SOCK_CLOEXEC | SOCK_NONBLOCK)));
  connection.send("direct");
  EXPECT_EQ(accepted.receive(6), "direct");
  EXPECT_EQ(from.endpoint()->address.to_string(), "100.64.0.2");

  const auto flows = gateway.flows();
  ASSERT_EQ(flows.size(), 1U);
  EXPECT_EQ(flows[0].at("action"), "forward");
  accepted.close();
  EXPECT_EQ(connection.receive_all(), "");
  connection.close();
  EXPECT_EQ(gateway.wait_for_audit("flow_end", 1).front().at("reason"), "closed");
}

TEST(Tenants, TunnelOfAnotherTenantIsNoWayToForward) {
  GatewayProcess gateway({.tenants = kTwoTenants});
  ClientNetwork acme(gateway.onramp(), {.tenant = "acme"});
  ClientNetwork other(gateway.onramp(), {.tenant = "other", .addresses = {"100.64.0.3/32"}});
  const base::Fd listener = other.listen("100.64.0.3");
  EXPECT_NE(acme.try_connect(local_endpoint(listener)).value(), 0);
}

}  // namespace
}  // namespace integration
