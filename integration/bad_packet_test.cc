// Packets that are none, lie, or come from where they may not: each is counted under its reason,
// and a real connection works afterwards.
//
//     the test ==raw SEQPACKET==> gateway

#include <map>

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/servers.h"
#include "integration/support/tunnel_connection.h"
#include "tests/support/packet_builder.h"

namespace integration {
namespace {

using Bytes = TunnelConnection::Bytes;
using test_support::tcp;
using test_support::udp;

constexpr auto kFrom = "100.64.0.2:40000", kTo = "192.0.2.1:443";
constexpr auto kFrom6 = "[fd00:64::2]:40000", kTo6 = "[2001:db8::1]:443";

class BadPacket : public testing::Test {
 protected:
  using Counts = std::map<std::string, std::uint64_t>;

  Counts drops() {
    Counts counts;
    for (const auto& drop : gateway_.flowctl({"drops"})) {
      if (drop.at("count") != 0) {
        counts[drop.at("name")] = drop.at("count");
      }
    }
    return counts;
  }

  // Sends them all, and waits until so many drops of `reason`, and none of any other, are counted.
  void expect_dropped(const std::string& reason, const std::vector<Bytes>& packets) {
    Counts expected = drops();
    expected[reason] += packets.size();
    for (const Bytes& packet : packets) {
      ASSERT_TRUE(tunnel_.send(packet));
    }
    EXPECT_TRUE(eventually([&] { return drops() == expected; }, 5s))
        << reason << ": " << gateway_.flowctl({"drops"});
  }

  ~BadPacket() override {
    ClientNetwork client(gateway_.onramp(), {.addresses = {"100.64.0.77/32"}});
    const TcpServer server = TcpServer::echo();
    TcpConnection connection = client.connect(server.endpoint());
    connection.send("well");
    EXPECT_EQ(connection.receive(4), "well");
  }

  GatewayProcess gateway_;
  TunnelConnection tunnel_ = TunnelConnection::open(gateway_.onramp());
};

TEST_F(BadPacket, EmptyOneByteAndEveryTruncationAreCounted) {
  expect_dropped("empty", {Bytes{}});
  std::vector<Bytes> cut;
  for (const auto& whole :
       {tcp(kFrom, kTo).syn().mss(1360).build(), tcp(kFrom6, kTo6).syn().mss(1340).build()}) {
    for (std::size_t length = 1; length < whole.size(); ++length) {
      cut.emplace_back(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    }
  }
  expect_dropped("truncated", cut);
}

TEST_F(BadPacket, HeadersThatLieAreCountedByWhatTheyLieAbout) {
  Bytes version = tcp(kFrom, kTo).syn().build();
  version[0] = std::byte{0x55};
  expect_dropped("bad_version", {version});
  Bytes ihl = tcp(kFrom, kTo).syn().build();
  ihl[0] = std::byte{0x44};
  expect_dropped("bad_header_length", {ihl});
  Bytes longer = tcp(kFrom, kTo).syn().build();
  longer.push_back(std::byte{0});
  expect_dropped("bad_total_length", {longer});
  expect_dropped("bad_ip_checksum", {tcp(kFrom, kTo).syn().bad_ip_checksum().build()});
  expect_dropped("bad_transport_checksum",
                 {tcp(kFrom, kTo).syn().bad_transport_checksum().build(),
                  tcp(kFrom6, kTo6).syn().bad_transport_checksum().build()});
  expect_dropped("bad_tcp_flags", {tcp(kFrom, kTo).syn().fin().build()});
  expect_dropped("too_big", {udp(kFrom, kTo).payload(std::size_t{1'400}).build()});
}

// "Too big" is about the link that a packet would leave by (RFC 1812 4.3.3.3, RFC 4443 3.2); this
// one has come. Whose outgoing link the tunnel is, the back end, is who answers its client.
TEST_F(BadPacket, LongerThanItsOwnTunnelIsCountedAndNotAnswered) {
  const UdpServer echo = UdpServer::echo();
  const std::string to = echo.endpoint().to_string();
  const auto with_payload = [&](std::size_t bytes) {
    return udp(kFrom, to).dont_fragment().payload(bytes).build();
  };
  expect_dropped("too_big", {with_payload(1'400 - 27),
                             udp(kFrom6, kTo6).payload(std::size_t{1'400 - 47}).build()});
  ASSERT_TRUE(tunnel_.send(with_payload(1'400 - 28)));
  const auto answer = tunnel_.receive();
  ASSERT_TRUE(answer);
  const auto parsed = flows::parse(*answer, {});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->protocol, flows::Protocol::kUdp) << "the first thing that comes";
}

TEST_F(BadPacket, SourcesThatAreNotTheTunnelsAreCounted) {
  expect_dropped("source_not_allowed", {tcp("100.64.0.3:1", kTo).syn().build(),
                                        tcp("[fd00:64::3]:1", kTo6).syn().build()});
  expect_dropped("martian_source",
                 {tcp("127.0.0.1:1", kTo).syn().build(), tcp("0.0.0.0:1", kTo).syn().build(),
                  tcp("224.0.0.1:1", kTo).syn().build(), tcp("[::1]:1", kTo6).syn().build()});
}

// Pitfall 2a #7: nothing inside may reach the host's loopback, under whatever name.
TEST_F(BadPacket, DestinationsThatNoHostHasAreCounted) {
  expect_dropped(
      "martian_destination",
      {tcp(kFrom, "127.0.0.1:22").syn().build(), tcp(kFrom, "0.0.0.0:22").syn().build(),
       tcp(kFrom, "255.255.255.255:22").syn().build(), tcp(kFrom, "224.0.0.1:22").syn().build(),
       tcp(kFrom6, "[::1]:22").syn().build(), tcp(kFrom6, "[::]:22").syn().build(),
       tcp(kFrom6, "[fe80::1]:22").syn().build(), tcp(kFrom6, "[ff02::1]:22").syn().build()});
}

// The rules come first, as the example of the configuration has it; and a tunnel that claims such
// an address makes it no way out either.
TEST(MartianDestination, IsForRulesToRejectAndNeverDialled) {
  GatewayProcess gateway(
      {.tenants = "- {name: acme, id: 1001}",
       .rules = "\n  - {name: no-metadata, match: {destination: [127.0.0.0/9, 'fe80::/10']},"
                " action: reject}\n"
                "  - {name: quiet, match: {destination: 127.128.0.0/16}, action: drop}\n"
                "  - {name: rest, action: upgrade}"});
  const auto claimant = TunnelConnection::open(gateway.onramp(), {.addresses = {"127.192.0.1/32"}});
  const auto tunnel = TunnelConnection::open(gateway.onramp());
  const auto is_reset = [&](const Bytes& syn) {
    tunnel.send(syn);
    const auto reply = tunnel.receive();
    return reply && flows::parse(*reply, {})->tcp_flags.rst();
  };
  EXPECT_TRUE(is_reset(tcp(kFrom, "127.0.0.1:22").syn().build()));
  EXPECT_TRUE(is_reset(tcp(kFrom6, "[fe80::1]:22").syn().build()));
  tunnel.send(tcp(kFrom, "127.128.0.1:22").syn().build());
  tunnel.send(tcp(kFrom, "127.192.0.1:22").syn().build());
  tunnel.send(tcp(kFrom, "127.255.0.1:22").syn().build());
  EXPECT_TRUE(eventually([&] {
    for (const auto& drop : gateway.flowctl({"drops"})) {
      if (drop.at("name") == "martian_destination") {
        return drop.at("count") == 2;
      }
    }
    return false;
  }));
  const auto flows = gateway.flows();
  ASSERT_EQ(flows.size(), 3U);
  EXPECT_EQ(flows[1].at("rule"), "no-metadata");
  EXPECT_EQ(flows[2].at("action"), "drop");
  for (const auto& flow : flows) {
    EXPECT_TRUE(flow.at("upstream").is_null()) << flow;
  }
  gateway.stop();
  EXPECT_EQ(gateway.wait_for_audit("flow_end", 3).back().at("reason"), "dropped");
}

// RFC 9293 3.10.7.1: what answers a segment for a connection that does not exist.
TEST_F(BadPacket, StrayAckIsAnsweredWithAnRstThatFits) {
  expect_dropped("no_flow", {tcp(kFrom, kTo).seq(1'000).ack(77'000).build()});
  const auto reply = tunnel_.receive();
  ASSERT_TRUE(reply);
  const auto reset = flows::parse(*reply, {});
  ASSERT_TRUE(reset);
  EXPECT_TRUE(reset->tcp_flags.rst());
  EXPECT_FALSE(reset->tcp_flags.ack());
  EXPECT_EQ(reset->sequence, 77'000U);
  EXPECT_EQ(reset->source.to_string(), kTo);
}

TEST_F(BadPacket, StrayFinWithoutAckIsAnsweredWithWhatItCovers) {
  expect_dropped("no_flow", {tcp(kFrom, kTo).seq(1'000).fin().payload("abc").build()});
  const auto reply = tunnel_.receive();
  ASSERT_TRUE(reply);
  const auto reset = flows::parse(*reply, {});
  ASSERT_TRUE(reset);
  EXPECT_TRUE(reset->tcp_flags.rst() && reset->tcp_flags.ack());
  EXPECT_EQ(reset->acknowledgement, 1'004U);
}

TEST_F(BadPacket, StrayRstIsNeverAnswered) {
  expect_dropped("no_flow", {tcp(kFrom, kTo).seq(1'000).rst().build()});
  // The answer to the stray behind it is the first that comes.
  expect_dropped("no_flow", {tcp(kFrom, kTo).seq(1).ack(5).build()});
  const auto reply = tunnel_.receive();
  ASSERT_TRUE(reply);
  EXPECT_EQ(flows::parse(*reply, {})->sequence, 5U);
}

}  // namespace
}  // namespace integration
