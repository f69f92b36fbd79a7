// GUE through the real gateway: programs behind peers that put their packets into UDP.
//
//     curl, ping, sockets [client sandbox, MTU 1400]
//          | TUN, pump
//     GuePeer 192.0.2.5:6080 ==UDP: GUE==> 192.0.2.9:6080 liftgate serve ---> servers on 192.0.2.1
//
// The same over IPv6: 2001:db8::5 to 2001:db8::9.

#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/gue_peer.h"
#include "integration/support/host_network.h"
#include "integration/support/must.h"
#include "integration/support/pattern.h"
#include "integration/support/servers.h"
#include "integration/support/udp_client.h"
#include "tests/support/packet_builder.h"

namespace integration {
namespace {

using base::Endpoint;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

const std::string kListen4 = "192.0.2.9:6080";
const std::string kListen6 = "[2001:db8::9]:6080";
const std::string kPeer4 = "192.0.2.5";
const std::string kOtherPeer4 = "192.0.2.6";
const std::string kPeer6 = "2001:db8::5";
constexpr std::uint32_t kOther = 1002;

// GUE first, so that it listens when the harness sees the SEQPACKET socket.
GatewayConfig config(const std::string& gue_settings = "", const std::string& more_acme = "") {
  const std::string peers =
      "[{prefix: 192.0.2.0/24, tenant: acme, may_name: [other]},"
      " {prefix: '2001:db8::/32', tenant: acme, may_name: [other]}]";
  GatewayConfig config;
  config.onramps = "\n  - gue: {listen: '" + kListen4 + "', peers: " + peers + gue_settings +
                   "}\n  - gue: {listen: '" + kListen6 + "', peers: " + peers + gue_settings +
                   "}\n  - seqpacket: {path: '{dir}/onramp.sock'}";
  config.tenants = "\n  - {name: acme, id: 1001, sources: [100.64.0.0/10, 'fd00:64::/48']" +
                   more_acme + "}\n  - {name: other, id: 1002}\n  - {name: stranger, id: 1003}";
  return config;
}

std::uint64_t dropped(const GatewayProcess& gateway, const std::string& reason) {
  for (const auto& drop : gateway.flowctl({"drops"})) {
    if (drop.at("name") == reason) {
      return drop.at("count").get<std::uint64_t>();
    }
  }
  give_up("no counter is called " + reason);
}

bool drops_become(const GatewayProcess& gateway, const std::string& reason, std::uint64_t count) {
  return eventually([&] { return dropped(gateway, reason) == count; });
}

std::size_t open_peers(const GatewayProcess& gateway) {
  std::size_t count = 0;
  for (const auto& tunnel : gateway.flowctl({"tunnels"})) {
    count += tunnel.at("onramp") == "gue" ? 1U : 0U;
  }
  return count;
}

GuePeerOptions peer_at(const std::string& outer, bool bare = false) {
  const bool v4 = address(outer).is_v4();
  return {.outer = outer, .gateway = endpoint(v4 ? kListen4 : kListen6), .bare = bare};
}

TcpServer web_server(const std::string& server_address) {
  return TcpServer(
      [](TcpConnection& connection, Served&) {
        std::string request;
        while (request.find("\r\n\r\n") == std::string::npos) {
          request += connection.receive(1);
        }
        connection.send("HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n");
      },
      server_address);
}

// ---- Programs, over both families and both variants ----

struct Way {
  std::string name;
  std::string outer;
  bool bare;
  bool bursts = false;
};
void PrintTo(const Way& way, std::ostream* stream) {
  *stream << way.name;
}
class GuePrograms : public testing::TestWithParam<Way> {
 protected:
  GatewayProcess gateway_{config()};
  static GuePeerOptions peer_options() {
    GuePeerOptions options = peer_at(GetParam().outer, GetParam().bare);
    options.bursts = GetParam().bursts;
    return options;
  }
  GuePeer peer_{peer_options()};
  ClientNetwork client_{peer_.tunnel(), {}};
};
INSTANTIATE_TEST_SUITE_P(Ways, GuePrograms,
                         testing::Values(Way{"HeaderOverIPv4", kPeer4, false},
                                         Way{"BareOverIPv4", kPeer4, true},
                                         Way{"HeaderOverIPv6", kPeer6, false},
                                         Way{"BareOverIPv6", kPeer6, true},
                                         Way{"HeaderInBursts", kPeer4, false, true},
                                         Way{"BareInBurstsOverIPv6", kPeer6, true, true}),
                         [](const auto& tested) { return tested.param.name; });

TEST_P(GuePrograms, CurlPingAndDatagramsWorkOverBothInnerFamilies) {
  const TcpServer web4 = web_server(host::kServer4);
  const TcpServer web6 = web_server(host::kServer6);
  const UdpServer echo = UdpServer::echo();
  for (const auto* web : {&web4, &web6}) {
    const Finished curl = client_.run({"curl", "-sS", "-g", url_of(web->endpoint())});
    EXPECT_EQ(curl.status, 0) << curl;
    EXPECT_EQ(curl.out, "hello\n");
  }
  const Finished ping = client_.run({"ping", "-c", "2", "-i", "0.1", host::kServer4});
  EXPECT_EQ(ping.status, 0) << ping;
  EXPECT_EQ(UdpClient(client_).ask(echo.endpoint(), "over GUE").payload, "over GUE");

  const Endpoint own = endpoint(address(GetParam().outer).is_v4() ? kListen4 : kListen6);
  EXPECT_THAT(peer_.senders(), ElementsAre(own));
  if (GetParam().bare) {
    EXPECT_THAT(peer_.headers(), ElementsAre(""));
  } else {
    EXPECT_THAT(peer_.headers(), UnorderedElementsAre("00040000", "00290000"));
  }
}

TEST_P(GuePrograms, TransfersKeepEveryByteBothWays) {
  constexpr std::uint64_t kBytes = 20'000'000;
  const Pattern pattern(1);
  const TcpServer source = TcpServer::source(kBytes);
  TcpConnection down = client_.connect(source.endpoint());
  PatternChecker received(pattern);
  EXPECT_EQ(down.drain([&](auto bytes) { received.take(bytes); }), End::kFin);
  EXPECT_EQ(received.bytes(), kBytes);
  EXPECT_TRUE(received.is_right());

  const TcpServer sink = TcpServer::discard();
  TcpConnection up = client_.connect(sink.endpoint());
  for (std::uint64_t sent = 0; sent < kBytes;) {
    const auto piece = pattern.from(sent);
    const auto now = piece.first(std::min<std::size_t>(piece.size(), kBytes - sent));
    up.send(now);
    sent += now.size();
  }
  up.finish_sending();
  const Served served = sink.wait_for_connection(0);
  EXPECT_EQ(served.received_bytes, kBytes);
  EXPECT_TRUE(served.pattern_is_right);
}

// ---- Tenants ----

// Two tenants with the same inner addresses and ports, from one outer address and port.
TEST(Gue, TenantsNamedInPrivateDataAreNeverMixed) {
  const GatewayProcess gateway(config());
  const UdpServer server(
      [](const std::string& asked, const Endpoint&) { return "answer to " + asked; });
  const GuePeer peer(peer_at(kPeer4));
  const auto inner = [&](const std::string& text) {
    return test_support::udp("100.64.0.2:5000", server.endpoint().to_string())
        .payload(text)
        .build();
  };
  const auto named = [&](std::uint32_t tenant, const std::string& text) {
    auto datagram = bytes_of_hex("02 04 00 00 4c 47 01 00 00 00");
    datagram.push_back(static_cast<std::byte>(tenant >> 8U));
    datagram.push_back(static_cast<std::byte>(tenant & 0xffU));
    const auto packet = inner(text);
    datagram.insert(datagram.end(), packet.begin(), packet.end());
    return datagram;
  };
  constexpr int kRounds = 20;
  for (int i = 0; i < kRounds; ++i) {
    peer.send(inner("acme " + std::to_string(i)));
    peer.send_datagram(named(kOther, "other " + std::to_string(i)));
  }

  int acme = 0;
  int other = 0;
  for (int i = 0; i < 2 * kRounds; ++i) {
    const auto received = peer.receive();
    const auto parsed = flows::parse(received.packet, {});
    ASSERT_TRUE(parsed);
    const std::string text(
        reinterpret_cast<const char*>(received.packet.data() + parsed->payload_offset),
        parsed->payload_bytes());
    if (received.header == "00040000") {
      EXPECT_EQ(text, "answer to acme " + std::to_string(acme++));
    } else {
      EXPECT_EQ(received.header, "020400004c470100000003ea") << "the tenant by its id, 1002";
      EXPECT_EQ(text, "answer to other " + std::to_string(other++));
    }
  }
  EXPECT_EQ(acme, kRounds);
  EXPECT_EQ(other, kRounds);
  const auto flows = gateway.flows();
  ASSERT_EQ(flows.size(), 2U);
  EXPECT_EQ(flows[0].at("source"), flows[1].at("source"));
  EXPECT_NE(flows[0].at("tenant"), flows[1].at("tenant"));
}

// The kernel hands a burst over in one piece; each datagram in it counts for itself.
TEST(Gue, DatagramsOfOneBurstMayBeOfDifferentTenantsAndSomeWrong) {
  const GatewayProcess gateway(config());
  const UdpServer server = UdpServer::echo();
  const GuePeer peer(peer_at(kPeer4));
  std::vector<GuePeer::Bytes> burst;
  for (int i = 0; i < 30; ++i) {
    // 1001, 1002, and 1003, which may not be named.
    auto datagram =
        bytes_of_hex(std::string("02 04 00 00 4c 47 01 00 00 00 03 ") + (i % 3 == 0   ? "e9"
                                                                         : i % 3 == 1 ? "ea"
                                                                                      : "eb"));
    const auto packet =
        test_support::udp("100.64.0.2:" + std::to_string(5000 + i), server.endpoint().to_string())
            .payload(std::to_string(100 + i))
            .build();
    datagram.insert(datagram.end(), packet.begin(), packet.end());
    burst.push_back(datagram);
  }
  burst.push_back(bytes_of_hex("80 00 00 00"));
  peer.send_burst(burst);
  std::set<std::string> answers;
  for (int i = 0; i < 20; ++i) {
    const auto received = peer.receive();
    const auto parsed = flows::parse(received.packet, {});
    ASSERT_TRUE(parsed);
    answers.insert(received.header.substr(20) + " " +
                   std::to_string(number(parsed->destination.port)));
  }
  EXPECT_EQ(answers.size(), 20U);
  EXPECT_TRUE(answers.contains("03e9 5000"));
  EXPECT_TRUE(answers.contains("03ea 5028"));
  EXPECT_EQ(dropped(gateway, "gue_tenant_not_allowed"), 10U);
  EXPECT_EQ(dropped(gateway, "gue_reserved_variant"), 1U);
}

// A packet on its way out may be written to in front, where in a burst the packet before it ends.
TEST(Gue, PacketsOfOneBurstDoNotSpoilEachOther) {
  const GatewayProcess gateway(config());
  const TcpServer server = TcpServer::echo();
  const TunnelConnection neighbour =
      TunnelConnection::open(gateway.onramp(), {.addresses = {"100.64.0.3/32"}, .offload = true});
  ASSERT_EQ(gateway.flowctl({"tunnels"}).size(), 1U) << "it is open before the peer sends";
  const GuePeer peer(peer_at(kPeer4));
  const auto segment = [&](std::uint32_t sequence) {
    return test_support::tcp("100.64.0.2:5000", server.endpoint().to_string()).seq(sequence);
  };
  peer.send(segment(1000).syn().build());
  const auto answer = flows::parse(peer.receive().packet, {});
  ASSERT_TRUE(answer && answer->tcp_flags.syn());
  peer.send(segment(1001).ack(answer->sequence + 1).build());

  // The segment waits for the end of the batch, and the datagram leaves before, with an offload
  // header in front.
  const std::string text = "the last bytes of this segment lie in front of the datagram";
  std::vector<GuePeer::Bytes> burst;
  for (const auto& packet :
       {segment(1001).ack(answer->sequence + 1).payload(text).build(),
        test_support::udp("100.64.0.2:1", "100.64.0.3:2").payload(text.size() + 12).build()}) {
    burst.push_back(bytes_of_hex("00 04 00 00"));
    burst.back().insert(burst.back().end(), packet.begin(), packet.end());
  }
  ASSERT_EQ(burst[0].size(), burst[1].size());
  peer.send_burst(burst);
  EXPECT_TRUE(neighbour.receive());
  std::string echoed;
  while (echoed.empty()) {
    const auto received = peer.receive();
    const auto parsed = flows::parse(received.packet, {});
    ASSERT_TRUE(parsed);
    echoed.assign(reinterpret_cast<const char*>(received.packet.data()) + parsed->payload_offset,
                  parsed->payload_bytes());
  }
  EXPECT_EQ(echoed, text);
}

TEST(Gue, ProgramsOfTwoTenantsWithTheSameAddressesShareAnOuterAddress) {
  const GatewayProcess gateway(config());
  const TcpServer server = TcpServer::echo();
  GuePeer acme_peer(peer_at(kPeer4));
  GuePeerOptions of_other = peer_at(kPeer4);
  of_other.port = 0;
  of_other.tenant = kOther;
  // Answers to both go to port 6080, so the other tenant's is a peer of its own outer address.
  of_other.outer = kOtherPeer4;
  of_other.port = 6080;
  GuePeer other_peer(of_other);
  const ClientNetwork acme(acme_peer.tunnel(), {});
  const ClientNetwork other(other_peer.tunnel(), {});

  TcpConnection first = acme.connect(server.endpoint());
  TcpConnection second = other.connect(server.endpoint());
  first.send("from acme");
  second.send("from other");

  EXPECT_EQ(first.receive(9), "from acme");
  EXPECT_EQ(second.receive(10), "from other");
  EXPECT_THAT(other_peer.headers(), ElementsAre("020400004c470100000003ea"));
}

TEST(Gue, TenantThatThePrefixMayNotNameIsNotHeard) {
  const GatewayProcess gateway(config());
  const GuePeer peer(peer_at(kPeer4));
  const auto packet = test_support::udp("100.64.0.2:5000", "192.0.2.1:9").payload("x").build();
  const auto send_for = [&](const std::string& header) {
    auto datagram = bytes_of_hex(header);
    datagram.insert(datagram.end(), packet.begin(), packet.end());
    peer.send_datagram(datagram);
  };
  send_for("02 04 00 00 4c 47 01 00 00 00 03 eb");  // 1003: there, but not for this prefix
  send_for("02 04 00 00 4c 47 01 00 ff ff ff ff");  // nobody
  send_for("02 04 00 00 4c 47 01 00 00 00 00 00");
  EXPECT_TRUE(drops_become(gateway, "gue_tenant_not_allowed", 3));
  EXPECT_EQ(open_peers(gateway), 0U);

  send_for("02 04 00 00 4c 47 01 00 00 00 03 e9");  // the prefix's own tenant may be named
  EXPECT_TRUE(eventually([&] { return open_peers(gateway) == 1; }));
}

TEST(Gue, OnlyConfiguredPeersAreHeard) {
  GatewayConfig only_one = config();
  only_one.onramps = "\n  - gue: {listen: '" + kListen4 +
                     "', peers: [{prefix: 192.0.2.5/32, tenant: acme}]}\n"
                     "  - seqpacket: {path: '{dir}/onramp.sock'}";
  const GatewayProcess gateway(only_one);
  const GuePeer stranger(peer_at(kOtherPeer4));
  stranger.send_hex("80");
  stranger.send(test_support::udp("100.64.0.2:5000", "192.0.2.1:9").payload("x").build());
  EXPECT_TRUE(drops_become(gateway, "gue_peer_not_allowed", 2));
  EXPECT_EQ(open_peers(gateway), 0U);
}

// ---- Bytes that are no packet of ours: gue.md, section 4 ----

TEST(Gue, EveryMalformedDatagramHasItsCounterAndTheRestKeepsWorking) {
  const GatewayProcess gateway(config());
  const UdpServer server = UdpServer::echo();
  const GuePeer peer(peer_at(kPeer4));
  const std::string ip = "45000014000000004001000064400002c0000201";
  const struct {
    std::string bytes;
    std::string reason;
  } vectors[] = {
      {"", "gue_truncated"},
      {"00", "gue_truncated"},
      {"45 00 00", "gue_truncated"},
      {"00 04 00 00", "gue_truncated"},
      {"02 04 00 01 80 00 00 00 00 14 00 1a" + ip, "gue_unknown_flags"},  // Linux's REMCSUM
      {"00 04 80 00" + ip, "gue_unknown_flags"},
      {"20 00 00 00", "gue_control_message"},
      {"20 ff 00 00 00 00 00 01", "gue_control_message"},
      {"00 3b 00 00", "gue_no_next_header"},
      {"00 3b 00 00" + ip, "gue_no_next_header"},
      {"00 11 00 00" + ip, "gue_other_protocol"},
      {"50 00 00 00" + ip, "gue_bad_inner_version"},
      {"70 00 00 00" + ip, "gue_bad_inner_version"},
      {"00 29 00 00" + ip, "gue_bad_inner_version"},
      {"80 00 00 00" + ip, "gue_reserved_variant"},
      {"c0 00 00 00" + ip, "gue_reserved_variant"},
      {"1f 04 00 00" + ip, "gue_header_past_end"},
      {"00 04 00 00 45", "truncated"},
      {"00 04 00 00" + ip, "bad_ip_checksum"},
  };
  std::map<std::string, std::uint64_t> expected;
  for (const auto& vector : vectors) {
    peer.send_hex(vector.bytes);
    ++expected[vector.reason];
  }
  for (const auto& [reason, count] : expected) {
    EXPECT_TRUE(drops_become(gateway, reason, count)) << reason << dropped(gateway, reason);
  }
  EXPECT_EQ(open_peers(gateway), 0U) << "no valid packet, no peer";

  peer.send(
      test_support::udp("100.64.0.2:5000", server.endpoint().to_string()).payload("x").build());
  EXPECT_EQ(peer.receive().header, "00040000");
}

// Private data that is not ours, as GLB and Cloudflare carry it, is surplus.
TEST(Gue, SurplusSpaceIsIgnored) {
  const GatewayProcess gateway(config());
  const UdpServer server = UdpServer::echo();
  const GuePeer peer(peer_at(kPeer4));
  const auto packet =
      test_support::udp("100.64.0.2:5000", server.endpoint().to_string()).payload("x").build();
  for (const std::string header :
       {"02 04 00 00 aa aa aa aa bb bb bb bb", "01 04 00 00 4c 47 01 00",
        "02 04 00 00 00 00 00 01 c0 00 02 07", "02 04 00 00 4c 47 02 00 00 00 03 ea"}) {
    auto datagram = bytes_of_hex(header);
    datagram.insert(datagram.end(), packet.begin(), packet.end());
    peer.send_datagram(datagram);
    EXPECT_EQ(peer.receive().header, "00040000") << header;
  }
  EXPECT_EQ(gateway.flows().size(), 1U);
}

// ---- Where answers go ----

TEST(Gue, FlowFollowsItsPeerToAnotherOuterAddressAndForm) {
  const GatewayProcess gateway(config());
  const UdpServer server = UdpServer::echo();
  const GuePeer before(peer_at(kPeer4));
  const GuePeer after(peer_at(kOtherPeer4, true));
  const auto packet =
      test_support::udp("100.64.0.2:5000", server.endpoint().to_string()).payload("x").build();
  before.send(packet);
  EXPECT_EQ(before.receive().header, "00040000");
  after.send(packet);
  EXPECT_EQ(after.receive().header, "");
  server.send_to(server.received().front().from, "late");
  EXPECT_EQ(after.receive().header, "") << "an answer alone goes to where the flow was last seen";

  EXPECT_EQ(gateway.flows().size(), 1U);
  EXPECT_EQ(dropped(gateway, "flow_of_another_tunnel"), 0U);
  EXPECT_TRUE(before.hears_nothing(0ms));
}

TEST(Gue, PeerDoesNotTakeOverTheFlowOfATunnelThatIsNone) {
  const GatewayProcess gateway(config());
  const UdpServer server = UdpServer::echo();
  const TunnelConnection tunnel = TunnelConnection::open(gateway.onramp());
  const GuePeer peer(peer_at(kPeer4));
  const auto packet =
      test_support::udp("100.64.0.2:5000", server.endpoint().to_string()).payload("x").build();
  tunnel.send(packet);
  EXPECT_TRUE(tunnel.receive());
  peer.send(packet);
  EXPECT_TRUE(drops_become(gateway, "flow_of_another_tunnel", 1));
  EXPECT_EQ(server.received().size(), 1U);
}

// Linux sends each inner flow from a source port of its own; answers go to one port, or to each.
TEST(Gue, ReplyPortSourceAnswersEachFlowWhereItCameFrom) {
  const GatewayProcess gateway(config(", reply_port: source"));
  const UdpServer server = UdpServer::echo();
  GuePeerOptions any_port = peer_at(kPeer4);
  any_port.port = 0;
  const GuePeer one(any_port);
  const GuePeer two(any_port);
  const auto from_port = [&](const std::string& port) {
    return test_support::udp("100.64.0.2:" + port, server.endpoint().to_string())
        .payload(port)
        .build();
  };
  one.send(from_port("5001"));
  two.send(from_port("5002"));
  const auto destination_of = [](const GuePeer& peer) {
    return number(flows::parse(peer.receive().packet, {})->destination.port);
  };
  EXPECT_EQ(destination_of(one), 5001);
  EXPECT_EQ(destination_of(two), 5002);
  EXPECT_EQ(open_peers(gateway), 1U) << "one outer address, one peer";

  // Another port of the server: a flow of its own, to the client port's own outer port.
  const UdpServer other = UdpServer::silent();
  const auto seen = server.received();
  ASSERT_EQ(seen.size(), 2U);
  for (const auto& datagram : seen) {
    other.send_to(datagram.from, "from elsewhere");
    EXPECT_EQ(destination_of(datagram.payload == "5001" ? one : two), std::stoi(datagram.payload));
  }

  // What belongs to no flow is answered to where it came from, too. The gateway sleeps meanwhile,
  // so that it gets both at once.
  gateway.signal(SIGSTOP);
  one.send(test_support::tcp("100.64.0.2:1", "192.0.2.1:9").ack(1).build());
  two.send(test_support::tcp("100.64.0.2:2", "192.0.2.1:9").ack(1).build());
  gateway.signal(SIGCONT);
  EXPECT_EQ(destination_of(one), 1);
  EXPECT_EQ(destination_of(two), 2);
}

TEST(Gue, AnswersOfAWildcardSocketComeFromTheAddressThatWasSpokenTo) {
  GatewayConfig wildcard = config();
  const std::string peers =
      "peers: [{prefix: 192.0.2.0/24, tenant: acme}, "
      "{prefix: '2001:db8::/32', tenant: acme}]";
  wildcard.onramps = "\n  - gue: {listen: '0.0.0.0:6080', reply_port: source, " + peers +
                     "}\n  - gue: {listen: '[::]:6080', reply_port: source, " + peers +
                     "}\n  - seqpacket: {path: '{dir}/onramp.sock'}";
  const GatewayProcess gateway(wildcard);
  const UdpServer server = UdpServer::echo();
  const auto packet =
      test_support::udp("100.64.0.2:5000", server.endpoint().to_string()).payload("x").build();
  for (const std::string own : {"192.0.2.7:6080", "192.0.2.8:6080", "[2001:db8::7]:6080"}) {
    const Endpoint to = endpoint(own);
    // Port 6080 of every address is the gateway's.
    const GuePeer peer({.outer = to.address.is_v4() ? kPeer4 : kPeer6, .port = 0, .gateway = to});
    peer.send(packet);
    EXPECT_EQ(peer.receive().from, to);
  }
}

TEST(Gue, AnswersThatReachTheGatewayItselfAreCounted) {
  const GatewayProcess gateway(config());
  const UdpServer server = UdpServer::echo();
  GuePeerOptions same_address = peer_at("192.0.2.9");
  same_address.port = 0;
  const GuePeer peer(same_address);
  peer.send(
      test_support::udp("100.64.0.2:5000", server.endpoint().to_string()).payload("x").build());
  EXPECT_TRUE(drops_become(gateway, "gue_own_datagram", 1));
}

// No state is needed from one packet to the next: as after a restart of the gateway.
TEST(Gue, SegmentOfAConnectionThatNobodyKnowsIsReset) {
  const GatewayProcess gateway(config());
  const GuePeer peer(peer_at(kPeer4));
  peer.send(test_support::tcp("100.64.0.2:5000", "192.0.2.1:80").ack(77).seq(1000).build());
  const auto reset = flows::parse(peer.receive().packet, {});
  ASSERT_TRUE(reset);
  EXPECT_TRUE(reset->tcp_flags.rst());
  EXPECT_TRUE(drops_become(gateway, "no_flow", 1));
}

// ---- Routes ----

TEST(Gue, ConfiguredRouteForwardsBetweenATunnelAndAPeer) {
  const GatewayProcess gateway(
      config("", ", routes: [{prefix: 10.9.0.0/16, gue: " + kPeer4 + "}]"));
  const ClientNetwork client(gateway.onramp(), {.name = "client"});
  GuePeer peer(peer_at(kPeer4));
  const ClientNetwork site(peer.tunnel(), {.addresses = {"10.9.0.7/32"}});

  const Finished ping = client.run({"ping", "-c", "2", "-i", "0.1", "10.9.0.7"});
  EXPECT_EQ(ping.status, 0) << ping;
  const base::Fd listener = site.listen("10.9.0.7");
  TcpConnection connection = client.connect(local_endpoint(listener));
  ASSERT_TRUE(ready_within(kPatience, listener));
  base::SocketAddress from;
  TcpConnection accepted(base::Fd::adopt(
      ::accept4(listener.get(), from.data(), &from.size(), SOCK_CLOEXEC | SOCK_NONBLOCK)));
  EXPECT_EQ(from.endpoint()->address.to_string(), "100.64.0.2") << "the client's own address";
  connection.send("to the site");
  EXPECT_EQ(accepted.receive(11), "to the site");
  accepted.send("and back");
  EXPECT_EQ(connection.receive(8), "and back");
  for (const auto& flow : gateway.flows()) {
    EXPECT_EQ(flow.at("action"), "forward") << flow;
  }
  EXPECT_THAT(peer.headers(), ElementsAre("00040000"));

  // The other way round: what is behind the peer reaches what the client has.
  const base::Fd waiting = client.listen("100.64.0.2");
  TcpConnection back = site.connect(local_endpoint(waiting));
  EXPECT_EQ(back.peer(), local_endpoint(waiting));
  EXPECT_EQ(open_peers(gateway), 1U) << "the route's peer is who answers";
}

TEST(Gue, RouteToAPeerThatIsNotItsPrefixesTenantNamesTheTenant) {
  GatewayConfig routed = config();
  routed.tenants =
      "\n  - {name: acme, id: 1001}\n  - {name: other, id: 1002, routes: [{prefix: "
      "10.9.0.0/16, gue: 192.0.2.5}]}\n";
  const GatewayProcess gateway(routed);
  const TunnelConnection tunnel =
      TunnelConnection::open(gateway.onramp(), {.tenant = "other", .addresses = {"100.64.0.2/32"}});
  const GuePeer peer(peer_at(kPeer4));
  tunnel.send(test_support::udp("100.64.0.2:1", "10.9.0.1:2").payload("x").build());
  EXPECT_EQ(peer.receive().header, "020400004c470100000003ea");
}

TEST(Gue, RouteToATunnelByNameIsActiveWhileItIsOpen) {
  const GatewayProcess gateway(config("", ", routes: [{prefix: 10.9.0.0/16, tunnel: office}]"));
  const ClientNetwork client(gateway.onramp(), {.name = "client"});
  const auto packet = test_support::udp("100.64.0.2:1", "10.9.0.1:2").payload("x").build();
  {
    const TunnelConnection office = TunnelConnection::open(
        gateway.onramp(), {.name = "office", .addresses = {"100.64.0.3/32"}});
    ASSERT_EQ(gateway.flowctl({"tunnels"}).size(), 2U) << "it is open before the peer sends";
    const GuePeer peer(peer_at(kPeer4));
    peer.send(packet);
    const auto arrived = office.receive();
    ASSERT_TRUE(arrived);
    EXPECT_EQ(flows::parse(*arrived, {})->destination.address, address("10.9.0.1"));
    // It may answer from there, although its context does not say so.
    office.send(test_support::udp("10.9.0.1:2", "100.64.0.2:1").payload("y").build());
    EXPECT_EQ(peer.receive().header, "00040000");
  }
  EXPECT_TRUE(eventually([&] {
    const auto tunnels = gateway.flowctl({"tunnels"});
    return std::ranges::none_of(tunnels, [](const auto& t) { return t.at("name") == "office"; });
  }));
  const UdpClient alone(client);
  alone.connect(endpoint("10.9.0.1:2"));
  alone.send_to(endpoint("10.9.0.1:2"), "x");
  // The flow from before waits for the tunnel to come back, for a moment; the new one is upgraded.
  EXPECT_TRUE(eventually([&] {
    const auto flows = gateway.flows();
    return !flows.empty() && std::ranges::none_of(flows, [](const auto& flow) {
      return flow.at("action") == "forward";
    });
  }));
}

// ---- Many peers ----

TEST(Gue, ThousandsOfPeersAreServedAndTheirNumberIsBounded) {
  constexpr int kMost = 2'000;
  constexpr int kMore = 50;
  GatewayConfig many = config();
  many.onramps = "\n  - gue: {listen: '127.0.0.1:6080', max_peers: " + std::to_string(kMost) +
                 ", peers: [{prefix: 127.0.0.0/8, tenant: acme}]}\n"
                 "  - seqpacket: {path: '{dir}/onramp.sock'}";
  const GatewayProcess gateway(many);
  const UdpServer server = UdpServer::echo();
  const auto peer_number = [](int i) {
    return GuePeer({.outer = "127.1." + std::to_string(i / 200) + "." + std::to_string(i % 200 + 1),
                    .gateway = endpoint("127.0.0.1:6080")});
  };
  const auto packet_of = [&](int i) {
    return test_support::udp(
               "100.64." + std::to_string(i / 200) + "." + std::to_string(i % 200) + ":5000",
               server.endpoint().to_string())
        .payload("x")
        .build();
  };
  for (int i = 0; i < kMost; ++i) {
    const GuePeer peer = peer_number(i);
    peer.send(packet_of(i));
    ASSERT_EQ(peer.receive().from, endpoint("127.0.0.1:6080")) << i;
  }
  EXPECT_EQ(open_peers(gateway), static_cast<std::size_t>(kMost));
  for (int i = kMost; i < kMost + kMore; ++i) {
    peer_number(i).send(packet_of(i));
  }
  EXPECT_TRUE(drops_become(gateway, "gue_too_many_peers", kMore));
  const GuePeer known = peer_number(7);
  known.send(packet_of(7));
  EXPECT_EQ(known.receive().from, endpoint("127.0.0.1:6080")) << "who is known goes on";
}

// Who can send from a whole prefix makes up as many peers as he likes.
TEST(Gue, PeersOfOneTenantLeaveRoomForThoseOfAnother) {
  constexpr int kMost = 40;
  GatewayConfig two = config();
  two.onramps = "\n  - gue: {listen: '127.0.0.1:6080', max_peers: " + std::to_string(kMost) +
                ", peers: [{prefix: 127.1.0.0/16, tenant: acme}, "
                "{prefix: 127.2.0.0/16, tenant: other}]}\n"
                "  - seqpacket: {path: '{dir}/onramp.sock'}";
  two.more = "workers: 1";
  const GatewayProcess gateway(two);
  const UdpServer server = UdpServer::echo();
  const auto send_from = [&](const std::string& outer) {
    const GuePeer peer({.outer = outer, .gateway = endpoint("127.0.0.1:6080")});
    peer.send(test_support::udp("100.64.0.2:5000", server.endpoint().to_string()).build());
  };
  for (int i = 1; i <= kMost; ++i) {
    send_from("127.1.0." + std::to_string(i));
  }
  EXPECT_TRUE(drops_become(gateway, "gue_tenant_peer_limit", kMost / 2));
  EXPECT_EQ(open_peers(gateway), static_cast<std::size_t>(kMost / 2));
  for (int i = 1; i <= kMost / 4; ++i) {
    send_from("127.2.0." + std::to_string(i));
  }
  EXPECT_TRUE(eventually([&] { return open_peers(gateway) == kMost / 2 + kMost / 4; }));
  EXPECT_EQ(dropped(gateway, "gue_too_many_peers"), 0U);
}

TEST(Gue, PeerThatSaysNothingAndHasNoFlowIsForgotten) {
  GatewayConfig quick = config(", peer_timeout: 200ms");
  quick.flows = "{timeouts: {udp: 100ms, udp_stream: 100ms}}";
  const GatewayProcess gateway(quick);
  const UdpServer server = UdpServer::echo();
  const GuePeer peer(peer_at(kPeer4));
  const auto packet =
      test_support::udp("100.64.0.2:5000", server.endpoint().to_string()).payload("x").build();
  peer.send(packet);
  EXPECT_EQ(peer.receive().header, "00040000");
  EXPECT_TRUE(eventually([&] { return open_peers(gateway) == 0; }));
  peer.send(packet);
  EXPECT_EQ(peer.receive().header, "00040000") << "and is heard again";
}

// ---- Failures ----

TEST(Gue, AddressInUseIsSaidWithTheCure) {
  const GuePeer occupant({.outer = "192.0.2.9", .port = 6080});
  try {
    const GatewayProcess gateway(config());
    FAIL() << "it started";
  } catch (const std::exception& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("listening for GUE on 192.0.2.9:6080: "
                                                 "Address already in use. `ss -lunp` names"));
  }
}

// A peer that cannot be reached any more: counted, and everything else goes on.
TEST(Gue, FailuresToSendAreCountedAndEndNothing) {
  const std::string lost = "192.0.2.77";
  host::shape({"ip", "address", "add", lost + "/32", "dev", "lo"});
  const GatewayProcess gateway(config());
  const UdpServer server = UdpServer::echo();
  const auto packet =
      test_support::udp("100.64.0.2:5000", server.endpoint().to_string()).payload("x").build();
  {
    const GuePeer peer(peer_at(lost));
    peer.send(packet);
    EXPECT_EQ(peer.receive().header, "00040000");
  }
  host::shape({"ip", "address", "del", lost + "/32", "dev", "lo"});
  host::shape({"ip", "route", "add", "prohibit", lost});
  server.send_to(server.received().front().from, "late");
  EXPECT_TRUE(drops_become(gateway, "tunnel_write_failed", 1));
  host::shape({"ip", "route", "del", "prohibit", lost});

  const GuePeer peer(peer_at(kPeer4));
  peer.send(packet);
  EXPECT_EQ(peer.receive().header, "00040000");
}

// A neighbour that does not say where it is: its datagrams wait in the kernel, until the socket
// takes no more. The queue behind it fills up, and then what comes is dropped.
TEST(Gue, SocketThatTakesNothingLosesItsDatagramsAndNothingElse) {
  for (const auto& words : std::vector<Program::Words>{
           {"ip", "link", "add", "slow0", "type", "veth", "peer", "name", "slow1"},
           {"ip", "address", "add", "10.77.0.1/24", "dev", "slow0"},
           {"ip", "link", "set", "slow0", "up"},
           {"ip", "link", "set", "slow1", "up"},
           // More than any send buffer holds.
           {"ip", "ntable", "change", "name", "arp_cache", "dev", "slow0", "queue", "30000"}}) {
    host::shape(words);
  }
  GatewayConfig slow = config("", ", routes: [{prefix: 10.9.0.0/16, gue: 10.77.0.2}]");
  slow.onramps = "\n  - gue: {listen: '" + kListen4 +
                 "', peers: [{prefix: 192.0.2.0/24, tenant: acme},"
                 " {prefix: 10.77.0.0/24, tenant: acme}]}\n"
                 "  - seqpacket: {path: '{dir}/onramp.sock'}";
  const GatewayProcess gateway(slow);
  const UdpServer server = UdpServer::echo();
  const auto tunnel = TunnelConnection::open(gateway.onramp(), {.addresses = {"100.64.0.7/32"}});
  gateway.wait_for_tunnels(2);
  const auto lost =
      test_support::udp("100.64.0.7:7", "10.9.0.7:7").payload(std::string(1'300, 'x')).build();
  std::uint64_t sent = 0;
  while (dropped(gateway, "tunnel_queue_full") == 0) {
    ASSERT_LT(sent, 100'000U) << "the kernel takes everything";
    for (int i = 0; i < 1'000; ++i, ++sent) {
      ASSERT_TRUE(tunnel.send(lost));
    }
  }
  const auto accounted = [&] {
    for (const auto& shown : gateway.flowctl({"tunnels"})) {
      if (shown.at("onramp") == "gue") {
        return shown.at("down").at("packets").get<std::uint64_t>() +
               dropped(gateway, "tunnel_queue_full");
      }
    }
    return std::uint64_t{0};
  };
  EXPECT_TRUE(eventually([&] { return accounted() == sent; })) << accounted() << " of " << sent;
  // Another tunnel knows nothing of it.
  const ClientNetwork client(gateway.onramp(), {.name = "client"});
  EXPECT_EQ(UdpClient(client).ask(server.endpoint(), "meanwhile").payload, "meanwhile");

  // The neighbour is found: what waited leaves, and the next answer to another peer behind it.
  host::shape(
      {"ip", "neigh", "replace", "10.77.0.2", "lladdr", "02:00:00:00:00:01", "dev", "slow0"});
  const GuePeer peer(peer_at(kPeer4));
  peer.send(
      test_support::udp("100.64.0.2:5000", server.endpoint().to_string()).payload("x").build());
  EXPECT_EQ(peer.receive().header, "00040000");
  const auto before = dropped(gateway, "tunnel_queue_full");
  ASSERT_TRUE(tunnel.send(lost));
  EXPECT_TRUE(eventually([&] { return accounted() == sent + 1; }));
  EXPECT_EQ(dropped(gateway, "tunnel_queue_full"), before) << "there is room again";
  host::shape({"ip", "link", "delete", "slow0"});
}

}  // namespace
}  // namespace integration
