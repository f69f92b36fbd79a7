// What the network says about a destination is what the client hears: the SYN is held until then.
//
//     client network ==SEQPACKET==> gateway --connect--> closed port, no route, silence ...

#include <cerrno>

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/drops.h"
#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/servers.h"
#include "integration/support/tunnel_connection.h"
#include "tests/support/packet_builder.h"

namespace integration {
namespace {

base::Endpoint at(const std::string& address, std::uint16_t port = 80) {
  return {*base::IpAddress::parse(address), base::Port{port}};
}

class Refusal : public testing::Test {
 protected:
  std::string reason() { return gateway_.wait_for_audit("flow_end", 1).front().at("reason"); }

  GatewayProcess gateway_{{.flows = kQuickTimeWait}};
  ClientNetwork client_{gateway_.onramp()};
};

TEST_F(Refusal, ClosedPortRefusesAsItDoesWithoutAGateway) {
  EXPECT_EQ(client_.try_connect(closed_port()).value(), ECONNREFUSED);
  EXPECT_EQ(client_.try_connect(closed_port(host::kServer6)).value(), ECONNREFUSED);
  EXPECT_EQ(reason(), "refused");
}

// No figure is asserted on a shared machine; but nobody waits for a retransmitted SYN, which comes
// after a second.
TEST_F(Refusal, ClosedPortIsAnsweredWithTheFirstSyn) {
  EXPECT_EQ(client_.try_connect(closed_port()).value(), ECONNREFUSED);
  const auto syns = client_.tally([](const SeenPacket& packet) {
    return packet.direction == Direction::kUp && packet.headers.tcp_flags.opens();
  });
  EXPECT_EQ(syns.packets, 1U);
}

TEST_F(Refusal, NetworkWithoutARouteIsReportedAsUnreachableNet) {
  EXPECT_EQ(client_.try_connect(at(host::kNoRoute4)).value(), ENETUNREACH);
  EXPECT_EQ(client_.try_connect(at(host::kNoRoute6)).value(), ENETUNREACH);
  EXPECT_EQ(reason(), "unreachable");
}

TEST_F(Refusal, UnreachableHostIsReportedAsUnreachableHost) {
  EXPECT_EQ(client_.try_connect(at(host::kUnreachable4)).value(), EHOSTUNREACH);
  EXPECT_EQ(client_.try_connect(at(host::kUnreachable6)).value(), EHOSTUNREACH);
}

// Code 13 is EHOSTUNREACH for Linux clients (icmp_err_convert), so the packet itself is looked at.
TEST_F(Refusal, ProhibitedDestinationIsReportedAsAdministrativelyProhibited) {
  EXPECT_EQ(client_.try_connect(at(host::kProhibited4)).value(), EHOSTUNREACH);
  EXPECT_TRUE(client_.sees([](const SeenPacket& packet) {
    return packet.direction == Direction::kDown &&
           packet.headers.protocol == flows::Protocol::kIcmp && packet.headers.icmp_type == 3 &&
           packet.headers.icmp_code == 13;
  }));
}

TEST_F(Refusal, SilentHostIsSilent) {
  EXPECT_EQ(client_.try_connect(at(host::kSilent4), 2s).value(), ETIMEDOUT);
  EXPECT_EQ(
      client_.tally([](const SeenPacket& packet) { return packet.direction == Direction::kDown; })
          .packets,
      0U);
  EXPECT_EQ(gateway_.flows().at(0).at("state"), "dialing");
}

// Pitfalls 2a #9 and #10: the client's retransmitted SYNs wait with the first; one flow, one dial.
TEST_F(Refusal, RetransmittedSynsDoNotDisturbASlowConnect) {
  // A host that answers nothing at first, and then is there.
  host::shape({"nft", "add", "table", "inet", "slow"});
  host::shape({"nft", "add chain inet slow in { type filter hook input priority 0; }"});
  const TcpServer server = TcpServer::echo(host::kOtherServer4);
  host::shape({"nft", "add", "rule", "inet", "slow", "in", "tcp", "dport",
               std::to_string(server.port()), "drop"});
  const base::Fd socket = client_.socket(AF_INET, SOCK_STREAM);
  EXPECT_EQ(TcpConnection::try_connect(socket, server.endpoint(), 2500ms).value(), ETIMEDOUT);
  const auto is_syn = [](const SeenPacket& packet) {
    return packet.direction == Direction::kUp && packet.headers.tcp_flags.opens();
  };
  EXPECT_GE(client_.tally(is_syn).packets, 2U);
  EXPECT_EQ(gateway_.flowctl({"tenants"}).at(0).at("dials"), 1);

  host::shape({"nft", "delete", "table", "inet", "slow"});
  TcpConnection connection = client_.connect(server.endpoint());
  connection.send("there");
  EXPECT_EQ(connection.receive(5), "there");
}

TEST_F(Refusal, ClientThatGivesUpEndsItsDial) {
  {
    const base::Fd socket = client_.socket(AF_INET, SOCK_STREAM);
    EXPECT_EQ(TcpConnection::try_connect(socket, at(host::kSilent4), 100ms).value(), ETIMEDOUT);
    ASSERT_TRUE(eventually([&] { return gateway_.flows().size() == 1; }));
  }
  // A closed socket in SYN-SENT sends nothing, so only time tells: here, a kill.
  EXPECT_EQ(gateway_.run_flowctl({"kill", gateway_.flows().at(0).at("id").dump()}).status, 0);
  EXPECT_EQ(gateway_.flowctl({"tenants"}).at(0).at("dials"), 0);
  EXPECT_EQ(reason(), "killed");
}

// Its headers are held while the upstream is dialled, for thousands of clients at once.
TEST(HeldSyn, WithHeadersLikeNoOthersIsNotHeld) {
  const GatewayProcess gateway;
  const auto client = TunnelConnection::open(gateway.onramp());
  const auto syn = [](std::size_t units) {
    return test_support::tcp("[fd00:64::2]:4000", "[" + std::string(host::kSilent6) + "]:80")
        .flags(flows::TcpFlags::kSyn)
        .extension(60, units);
  };
  client.send(syn(100).build());
  EXPECT_TRUE(eventually([&] { return drops(gateway)["too_many_extensions"] == 1; }));
  EXPECT_EQ(gateway.flows().size(), 0U);
  client.send(syn(10).build());
  EXPECT_TRUE(eventually([&] { return gateway.flows().size() == 1; }));
}

TEST(DialLimit, IsOfOneTenantAndSparesTheOthers) {
  GatewayProcess gateway({.tenants = "\n  - {name: acme, id: 1, max_dials: 3}\n"
                                     "  - {name: other, id: 2}"});
  ClientNetwork client(gateway.onramp(), {.tenant = "acme"});
  ClientNetwork other(gateway.onramp(), {.tenant = "other"});
  std::vector<base::Fd> waiting;
  for (int i = 0; i < 5; ++i) {
    waiting.push_back(client.socket(AF_INET, SOCK_STREAM));
    EXPECT_EQ(TcpConnection::try_connect(waiting.back(), at(host::kSilent4), 20ms).value(),
              ETIMEDOUT);
  }
  EXPECT_EQ(gateway.flowctl({"tenants"}).at(0).at("dials"), 3);

  const TcpServer server = TcpServer::echo();
  TcpConnection connection = other.connect(server.endpoint());
  connection.send("x");
  EXPECT_EQ(connection.receive(1), "x");
}

}  // namespace
}  // namespace integration
