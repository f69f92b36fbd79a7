// Fragments through the real gateway: put together for upgraded flows, passed on for forwarded
// ones, and counted as the packets that they are.
//
//     UDP sockets, ping [client sandbox, MTU 1400] --+
//                                                    +-- SEQPACKET -- liftgate serve -- servers
//     the test, fragment by fragment ----------------+

#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "flows/fragmenter.h"
#include "flows/reply.h"
#include "integration/support/client_network.h"
#include "integration/support/drops.h"
#include "integration/support/gateway_process.h"
#include "integration/support/servers.h"
#include "integration/support/tunnels.h"
#include "integration/support/udp_client.h"
#include "tests/support/packet_builder.h"

namespace integration {
namespace {

using Bytes = TunnelConnection::Bytes;
using test_support::tcp;
using test_support::udp;

std::vector<Bytes> cut(const Bytes& packet, std::size_t mtu_bytes, std::uint32_t id = 7) {
  std::vector<Bytes> fragments;
  flows::Fragmenter fragmenter(packet, mtu_bytes, id);
  Bytes out(mtu_bytes);
  while (const auto size = fragmenter.next(out)) {
    fragments.emplace_back(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(*size));
  }
  return fragments;
}

struct Family {
  int number;
  std::string server, client, peer;
};

class Fragments : public testing::TestWithParam<Family> {
 protected:
  // "100.64.0.2:5" or "[fd00:64::2]:5"
  static std::string at(const std::string& text, int port) {
    return base::Endpoint{address(text), base::Port{static_cast<std::uint16_t>(port)}}.to_string();
  }
  // The payload of a UDP datagram that is not there would be empty.
  static std::string message(std::size_t size) {
    std::string text(size, 'x');
    for (std::size_t i = 0; i < size; ++i) {
      text[i] = static_cast<char>('a' + i / 8 % 26);
    }
    return text;
  }
};
INSTANTIATE_TEST_SUITE_P(
    Families, Fragments,
    testing::Values(Family{AF_INET, host::kServer4, "100.64.0.2", "100.64.0.3"},
                    Family{AF_INET6, host::kServer6, "fd00:64::2", "fd00:64::3"}),
    [](const auto& tested) { return tested.param.number == AF_INET ? "IPv4" : "IPv6"; });

TEST_P(Fragments, DatagramsOf64KilobytesPassBothWaysAndAreCountedAsTheWireCarriedThem) {
  const UdpServer server = UdpServer::echo(GetParam().server);
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());
  const UdpClient socket(client, GetParam().number);
  const std::size_t longest = GetParam().number == AF_INET ? 65'507 : 65'527;
  for (const std::size_t size : {1373U, 8000U, 30'000U, static_cast<unsigned>(longest)}) {
    const std::string sent = message(size);
    EXPECT_TRUE(socket.ask(server.endpoint(), sent).payload == sent) << size;
  }

  const auto on_the_wire = [&](Direction direction) {
    return client.tally([&](const SeenPacket& seen) {
      return seen.direction == direction && seen.headers.protocol == flows::Protocol::kUdp;
    });
  };
  const auto flows = gateway.flows();
  ASSERT_EQ(flows.size(), 1U);
  const auto counted = [&](const char* name) {
    return WireTally{flows[0].at(name).at("packets"), flows[0].at(name).at("bytes")};
  };
  EXPECT_GT(on_the_wire(Direction::kUp).packets, 70U);
  EXPECT_EQ(counted("up"), on_the_wire(Direction::kUp));
  EXPECT_EQ(counted("down"), on_the_wire(Direction::kDown));
}

TEST_P(Fragments, LongPingsAreAnsweredByTheServerAndByTheGateway) {
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());
  const std::string own = GetParam().number == AF_INET ? "192.0.0.8" : "fd6c:6966:7467::1";
  for (const std::string& address : {GetParam().server, own}) {
    for (const std::string size : {"1400", "8000"}) {
      const Finished ping = client.run({"ping", "-n", "-c2", "-i0.01", "-W5", "-s", size, address});
      EXPECT_EQ(ping.status, 0) << ping;
    }
  }
}

TEST_P(Fragments, ForwardedDatagramsPassBothWaysInFragments) {
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());
  const ClientNetwork peer(gateway.onramp(), {.addresses = {"100.64.0.3/32", "fd00:64::3/128"}});
  wait_for_tunnels(gateway, 2);
  const UdpClient socket(client, GetParam().number);
  const UdpClient other(peer, GetParam().number);
  const base::SocketAddress own(base::Endpoint{address(GetParam().peer), base::Port{0}});
  must_call(::bind(other.socket().get(), own.data(), own.size()), "bind");
  const std::string sent = message(60'000);

  socket.send_to(local_endpoint(other.socket()), sent);
  const auto got = other.receive();
  EXPECT_TRUE(got.payload == sent);
  other.send_to(got.from, sent);
  EXPECT_TRUE(socket.receive().payload == sent);

  const auto flows = gateway.flows();
  ASSERT_EQ(flows.size(), 1U);
  EXPECT_EQ(flows[0].at("action"), "forward");
  EXPECT_EQ(flows[0].at("up").at("packets"), flows[0].at("down").at("packets"));
  EXPECT_GT(flows[0].at("up").at("bytes"), 60'000);
}

TEST_P(Fragments, LaterOnesThatComeBeforeTheFirstFollowIt) {
  const GatewayProcess gateway;
  const auto sender = TunnelConnection::open(gateway.onramp());
  const auto receiver =
      TunnelConnection::open(gateway.onramp(), {.addresses = {"100.64.0.3/32", "fd00:64::3/128"}});
  wait_for_tunnels(gateway, 2);
  const auto fragments =
      cut(udp(at(GetParam().client, 5), at(GetParam().peer, 6)).payload(std::size_t{4000}).build(),
          1400);
  ASSERT_EQ(fragments.size(), 3U);
  sender.send(fragments[2]);
  sender.send(fragments[1]);
  sender.send(fragments[0]);

  for (const std::size_t expected : {0U, 1U, 2U}) {
    const auto got = receiver.receive();
    ASSERT_TRUE(got) << expected;
    const auto packet = flows::parse(*got, {});
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->fragment_offset, flows::parse(fragments[expected], {})->fragment_offset);
    EXPECT_EQ(packet->ttl, 63);
  }
  EXPECT_EQ(gateway.flows().at(0).at("up").at("packets"), 3);
}

TEST_P(Fragments, AnyOrderIsAnUpgradedDatagram) {
  const UdpServer server = UdpServer::echo(GetParam().server);
  const GatewayProcess gateway;
  const auto tunnel = TunnelConnection::open(gateway.onramp());
  auto fragments = cut(udp(at(GetParam().client, 5), server.endpoint().to_string())
                           .payload(std::size_t{20'000})
                           .build(),
                       1400);
  std::ranges::reverse(fragments);
  for (const Bytes& fragment : fragments) {
    tunnel.send(fragment);
  }
  EXPECT_EQ(server.wait_for_datagrams(1).front().payload.size(), 20'000U);
}

// RFC 6946.
TEST(AtomicFragment, IsAWholePacket) {
  const UdpServer server = UdpServer::echo(host::kServer6);
  const GatewayProcess gateway;
  const auto tunnel = TunnelConnection::open(gateway.onramp());
  tunnel.send(udp("[fd00:64::2]:5", server.endpoint().to_string())
                  .payload("atomic")
                  .fragment(0, false, 9)
                  .build());
  EXPECT_EQ(server.wait_for_datagrams(1).front().payload, "atomic");
  EXPECT_EQ(gateway.flows().at(0).at("up").at("bytes"), 40 + 8 + 8 + 6);
}

// It aborted the gateway once.
TEST(AtomicFragment, OfAnErrorIsReadAsAWholePacket) {
  const UdpServer server = UdpServer::echo(host::kServer6);
  const GatewayProcess gateway;
  const auto tunnel = TunnelConnection::open(gateway.onramp());
  const Bytes quoted = udp("[fd00:64::9]:1", "[fd00:64::2]:2").build();
  tunnel.send(test_support::icmp("fd00:64::2", "fd00:64::9")
                  .icmp(1, 0)
                  .payload(quoted)
                  .fragment(0, false, 9)
                  .build());
  EXPECT_TRUE(eventually([&] { return drops(gateway).at("unrelated_icmp_error") == 1; }));
  tunnel.send(udp("[fd00:64::2]:5", server.endpoint().to_string()).payload("on").build());
  EXPECT_EQ(server.wait_for_datagrams(1).front().payload, "on");
}

// Between the moment when it is asked whether a packet is to be put together and the one when its
// flow begins, the flow has been counted. A fragment that was upgraded then aborted the gateway.
TEST(FirstFragment, WhoseRuleIsAnotherOnceItIsCountedIsDropped) {
  const TcpServer server = TcpServer::echo();
  const GatewayProcess gateway(
      {.rules = "\n  - {name: many, match: {new_flows: '>3/m'}, action: upgrade}"
                "\n  - {name: rest, action: drop}"});
  const auto tunnel = TunnelConnection::open(gateway.onramp());
  for (const char* source : {"100.64.0.2:1", "100.64.0.2:2", "100.64.0.2:3"}) {
    tunnel.send(udp(source, server.endpoint().to_string()).payload("x").build());
  }
  const Bytes syn = test_support::tcp("100.64.0.2:4", server.endpoint().to_string())
                        .syn()
                        .payload("data")
                        .fragment(0, true, 5)
                        .build();
  tunnel.send(syn);
  EXPECT_TRUE(eventually([&] { return drops(gateway).at("fragment") == 1; }));
  EXPECT_EQ(gateway.flows().size(), 3U);
}

TEST_P(Fragments, SegmentInFragmentsReachesTheServer) {
  const TcpServer server = TcpServer::echo(GetParam().server);
  const GatewayProcess gateway;
  const auto tunnel = TunnelConnection::open(gateway.onramp());
  const std::string from = at(GetParam().client, 5);
  const std::string to = server.endpoint().to_string();
  tunnel.send(tcp(from, to).seq(1000).syn().mss(1300).build());
  const auto answer = tunnel.receive();
  ASSERT_TRUE(answer);
  const std::uint32_t next = flows::parse(*answer, {})->sequence + 1;
  tunnel.send(tcp(from, to).seq(1001).ack(next).build());
  for (const Bytes& fragment :
       cut(tcp(from, to).seq(1001).ack(next).payload(std::size_t{1000}).build(), 600)) {
    tunnel.send(fragment);
  }
  std::uint64_t echoed = 0;
  while (echoed < 1000) {
    const auto got = tunnel.receive();
    ASSERT_TRUE(got) << echoed;
    echoed += flows::parse(*got, {})->payload_bytes();
  }
  EXPECT_EQ(echoed, 1000U);
}

TEST_P(Fragments, OfRejectedFlowsAreRefusedWithOneAnswer) {
  const GatewayProcess gateway({.rules = "- {name: no, action: reject}"});
  const auto tunnel = TunnelConnection::open(gateway.onramp());
  const auto fragments = cut(
      udp(at(GetParam().client, 5), at(GetParam().server, 6)).payload(std::size_t{4000}).build(),
      1400);
  for (const std::size_t i : {1U, 0U, 2U}) {
    tunnel.send(fragments[i]);
  }
  const auto answer = tunnel.receive();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(flows::is_icmp_error(*flows::parse(*answer, {})));
  EXPECT_TRUE(eventually([&] { return drops(gateway).at("rejected_by_rule") == 3; }));
  EXPECT_EQ(gateway.flows().at(0).at("up").at("packets"), 3);
  EXPECT_EQ(gateway.flows().at(0).at("down").at("packets"), 1);
}

// RFC 8200 4.5: only who has sent the first one is told.
TEST_P(Fragments, ThatWaitForTooLongAreGivenUp) {
  const GatewayProcess gateway({.flows = "{timeouts: {fragments: 200ms}}"});
  const auto tunnel = TunnelConnection::open(gateway.onramp());
  const std::string from = at(GetParam().client, 5);
  const std::string to = at(GetParam().server, 6);
  const auto packet = udp(from, to).payload(std::size_t{4000}).build();
  tunnel.send(cut(packet, 1400, 1)[1]);
  tunnel.send(cut(packet, 1400, 2)[0]);

  const auto answer = tunnel.receive();
  ASSERT_TRUE(answer);
  const auto error = flows::parse(*answer, {});
  EXPECT_EQ(error->icmp_type, GetParam().number == AF_INET ? 11 : 3);
  EXPECT_EQ(error->icmp_code, 1);
  EXPECT_TRUE(eventually([&] { return drops(gateway)["fragment_timeout"] == 2; }));
  EXPECT_FALSE(tunnel.receive(300ms)) << "the other is not answered";
}

}  // namespace
}  // namespace integration
