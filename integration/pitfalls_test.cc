// How peers broke, as tests: those rows that have no test elsewhere. tests/repo/pitfalls_test.cc
// says which test stands for which row.

#include <cerrno>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/servers.h"
#include "integration/support/udp_client.h"

namespace integration {
namespace {

base::Endpoint at(const std::string& address, std::uint16_t port = 80) {
  return {*base::IpAddress::parse(address), base::Port{port}};
}

// Row 3: an idle connection lived as long as a UDP mapping.
TEST(Pitfall, AnIdleConnectionOutlivesEveryUdpTimeout) {
  GatewayProcess gateway(
      {.flows = "{timeouts: {udp: 100ms, udp_stream: 100ms, dns: 100ms, icmp: 100ms}}"});
  const ClientNetwork client(gateway.onramp());
  const TcpServer tcp = TcpServer::echo();
  const UdpServer udp = UdpServer::echo();
  TcpConnection connection = client.connect(tcp.endpoint());
  EXPECT_EQ(UdpClient(client).ask(udp.endpoint(), "x").payload, "x");

  // The UDP flow's end shows that its time has passed, and the connection's with it.
  ASSERT_EQ(gateway.wait_for_audit("flow_end", 1).front().at("protocol"), "udp");
  connection.send("still here");
  EXPECT_EQ(connection.receive(10), "still here");
}

// Row 6: the listener stood in the host's network, where a firewall dropped its SYNs.
TEST(Pitfall, AHostThatFiltersItsInputHindersNothing) {
  const TcpServer server = TcpServer::echo();
  host::shape({"nft", "add", "table", "inet", "strict"});
  host::shape(
      {"nft", "add chain inet strict in { type filter hook input priority 0; policy drop; }"});
  for (const std::string& rule : {std::string("ct state established,related accept"),
                                  "tcp dport " + std::to_string(server.port()) + " accept"}) {
    host::shape({"nft", "add rule inet strict in " + rule});
  }
  GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());
  TcpConnection connection = client.connect(server.endpoint());
  connection.send("through");
  EXPECT_EQ(connection.receive(7), "through");
  host::shape({"nft", "delete", "table", "inet", "strict"});
}

std::uint32_t dials(const GatewayProcess& gateway, const std::string& tenant) {
  for (const auto& shown : gateway.flowctl({"tenants"})) {
    if (shown.at("name") == tenant) {
      return shown.at("dials").get<std::uint32_t>();
    }
  }
  return 0;
}

constexpr auto kTwoTenants =
    "\n  - {name: acme, id: 1, max_dials: 2}\n  - {name: other, id: 2, max_dials: 2}";

class Dials : public testing::Test {
 protected:
  // A connect that nobody ever answers.
  static base::Fd dial_silence(const ClientNetwork& client) {
    base::Fd socket = client.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
    const base::SocketAddress silent(at(host::kSilent4));
    EXPECT_EQ(::connect(socket.get(), silent.data(), silent.size()), -1);
    EXPECT_EQ(errno, EINPROGRESS);
    return socket;
  }

  GatewayProcess gateway_{{.tenants = kTwoTenants, .flows = kQuickTimeWait}};
  ClientNetwork acme_{gateway_.onramp(), {.tenant = "acme"}};
};

// Row 10: a retransmitted SYN counted as another connect under way, until there were too many.
TEST_F(Dials, ARetransmittedSynIsNotAnother) {
  const base::Fd first = dial_silence(acme_);
  const auto is_syn = [](const SeenPacket& packet) {
    return packet.direction == Direction::kUp && packet.headers.tcp_flags.opens();
  };
  ASSERT_TRUE(eventually([&] { return acme_.tally(is_syn).packets >= 2; }));
  EXPECT_EQ(dials(gateway_, "acme"), 1U);
  const TcpServer server = TcpServer::echo();
  TcpConnection connection = acme_.connect(server.endpoint());
  connection.send("room");
  EXPECT_EQ(connection.receive(4), "room");
}

// Row 11: one client that dialled dead hosts kept everybody from connecting.
TEST_F(Dials, ATenantThatDialsDeadHostsHindersNoOther) {
  const std::vector<base::Fd> dead = [&] {
    std::vector<base::Fd> sockets;
    sockets.push_back(dial_silence(acme_));
    sockets.push_back(dial_silence(acme_));
    return sockets;
  }();
  ASSERT_TRUE(eventually([&] { return dials(gateway_, "acme") == 2; }));
  const ClientNetwork other(gateway_.onramp(), {.tenant = "other"});
  const TcpServer server = TcpServer::echo();
  TcpConnection connection = other.connect(server.endpoint());
  connection.send("free");
  EXPECT_EQ(connection.receive(4), "free");
}

// Row 24: a queue of 1000 packets in front of a TUN, and a window of several thousand.
TEST(Pitfall, TheQueueOfTheSandboxesDeviceHoldsAWindow) {
  const GatewayProcess gateway;
  const Finished link = run({"nsenter", "--preserve-credentials", "-U", "--net", "-t",
                             std::to_string(gateway.children().front()), "ip", "-o", "link"},
                            kPatience, {.as_network_admin = true});
  EXPECT_THAT(link.out, testing::HasSubstr("qlen 10000")) << link;
}

// Row 39: with offload on, everything but TCP was dead.
TEST(Pitfall, EveryProtocolPassesATunnelWithOffload) {
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp(), {.offload = true});
  for (const std::string& address : {host::kServer4, host::kServer6}) {
    const TcpServer tcp = TcpServer::echo(address);
    TcpConnection connection = client.connect(tcp.endpoint());
    connection.send(std::string(200'000, 'x'));
    EXPECT_EQ(connection.receive(200'000).size(), 200'000U);
    const UdpServer udp = UdpServer::echo(address);
    const int family = address == host::kServer4 ? AF_INET : AF_INET6;
    EXPECT_EQ(UdpClient(client, family).ask(udp.endpoint(), "datagram").payload, "datagram");
    const Finished ping = client.run({"ping", "-n", "-c1", "-W5", address});
    EXPECT_EQ(ping.status, 0) << ping;
    EXPECT_EQ(client.try_connect(closed_port(address)).value(), ECONNREFUSED);
  }
}

// Row 44: thousands of sockets for name servers' answers that had long come.
TEST(Pitfall, ALookupsSocketIsSoonGone) {
  GatewayProcess gateway({.flows = "{timeouts: {dns: 100ms, udp: 1h, udp_stream: 1h}}"});
  const ClientNetwork client(gateway.onramp());
  UdpClient(client).send_to(at(host::kServer4, 53), "?");
  const auto ended = gateway.wait_for_audit("flow_end", 1).front();
  EXPECT_EQ(ended.at("destination"), host::kServer4 + ":53");
  EXPECT_EQ(ended.at("reason"), "timed_out");
}

}  // namespace
}  // namespace integration
