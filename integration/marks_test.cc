// What rules give their flows: marks, and code points in the packets; and what they ask of the rate
// that a tunnel carries. The kernel says what it has sent: a counter of nftables on the host.
//
//     [client 100.64.0.2]==SEQPACKET==gateway==lo, nft counts==== servers on 192.0.2.1, 2001:db8::1
//     [peer   100.64.0.3]==SEQPACKET==

#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/servers.h"
#include "integration/support/tunnels.h"
#include "integration/support/udp_client.h"
#include "netns/capabilities.h"
#include "tests/support/packet_builder.h"

namespace integration {
namespace {

using test_support::udp;

constexpr unsigned kEf = 46 << 2;

// Counts what programs of the host send, by what nft's own words ask for.
class SentByHost {
 public:
  SentByHost() {
    host::shape({"nft", "add", "table", "inet", "marks"});
    host::shape({"nft", "add chain inet marks out { type filter hook output priority 0; }"});
  }
  ~SentByHost() { host::shape({"nft", "delete", "table", "inet", "marks"}); }
  SentByHost(const SentByHost&) = delete;
  SentByHost& operator=(const SentByHost&) = delete;

  // From now on, under this name.
  void count(const std::string& name, const std::string& wanted) {
    host::shape({"nft", "add counter inet marks " + name});
    host::shape({"nft", "add rule inet marks out " + wanted + " counter name " + name});
  }
  [[nodiscard]] std::uint64_t packets(const std::string& name) const {
    const Finished listed = run({"nft", "-j", "list", "counter", "inet", "marks", name}, kPatience,
                                {.as_network_admin = true});
    const auto items = nlohmann::json::parse(listed.out);
    for (const auto& item : items.at("nftables")) {
      if (item.contains("counter")) {
        return item.at("counter").at("packets");
      }
    }
    throw std::runtime_error("nft has no counter " + name);
  }
};

std::string to(const base::Endpoint& server, const std::string& protocol) {
  const bool v4 = server.address.is_v4();
  return std::string(v4 ? "ip" : "ip6") + " daddr " + server.address.to_string() + " " + protocol +
         " dport " + std::to_string(number(server.port)) + " ";
}

std::function<bool(const SeenPacket&)> down_with(unsigned field, flows::Protocol protocol) {
  return [=](const SeenPacket& seen) {
    return seen.direction == Direction::kDown && seen.headers.protocol == protocol &&
           (seen.headers.traffic_class & 0xfcU) == field;
  };
}

constexpr auto kMarked = R"(
    - {name: calls, match: {protocol: [tcp, udp, icmp]}, action: upgrade, mark: 0x17, dscp: ef}
    - {name: rest, action: forward})";

TEST(Marks, ConnectionHasItsCodePointFromTheSynOnBothWays) {
  SentByHost sent;
  for (const std::string& address : {host::kServer4, host::kServer6}) {
    const GatewayProcess gateway({.rules = kMarked});
    const ClientNetwork client(gateway.onramp());
    const TcpServer server = TcpServer::echo(address);
    const std::string family = server.endpoint().address.is_v4() ? "ip" : "ip6";
    const std::string there = to(server.endpoint(), "tcp");
    sent.count("all" + family, there);
    sent.count("ef" + family, there + family + " dscp ef");
    sent.count("syn" + family, there + family + " dscp ef tcp flags syn");

    TcpConnection connection = client.connect(server.endpoint());
    connection.send("hello");
    EXPECT_EQ(connection.receive(5), "hello");
    connection.close();
    EXPECT_EQ(sent.packets("syn" + family), 1U);
    EXPECT_GE(sent.packets("ef" + family), 3U);
    EXPECT_TRUE(
        eventually([&] { return sent.packets("all" + family) == sent.packets("ef" + family); }));
    EXPECT_TRUE(client.sees(down_with(kEf, flows::Protocol::kTcp)));
    EXPECT_EQ(client.tally(down_with(0, flows::Protocol::kTcp)).packets, 0U)
        << "the SYN-ACK has it, too";
  }
}

TEST(Marks, DatagramsAndPingsHaveIt) {
  SentByHost sent;
  const GatewayProcess gateway({.rules = kMarked});
  const ClientNetwork client(gateway.onramp());
  const UdpServer server = UdpServer::echo();
  sent.count("datagrams", to(server.endpoint(), "udp") + "ip dscp ef");
  sent.count("pings", "icmp type echo-request ip dscp ef");
  EXPECT_EQ(UdpClient(client).ask(server.endpoint(), "hello").payload, "hello");
  EXPECT_EQ(sent.packets("datagrams"), 1U);
  EXPECT_TRUE(client.sees(down_with(kEf, flows::Protocol::kUdp)));
  EXPECT_EQ(client.run({"ping", "-c", "1", "-W", "5", host::kServer4}).status, 0);
  EXPECT_EQ(sent.packets("pings"), 1U);
  EXPECT_TRUE(client.sees(down_with(kEf, flows::Protocol::kIcmp)));
}

TEST(Marks, DatagramsOfOneSocketHaveWhatTheirOwnRulesSay) {
  SentByHost sent;
  const UdpServer urgent = UdpServer::echo();
  const UdpServer lazy = UdpServer::echo(host::kOtherServer4);
  const GatewayProcess gateway(
      {.rules = "\n    - {name: urgent, match: {destination: " + std::string(host::kServer4) +
                "}, action: upgrade, dscp: ef}"});
  const ClientNetwork client(gateway.onramp());
  const UdpClient one(client);
  sent.count("urgent", to(urgent.endpoint(), "udp") + "ip dscp ef");
  sent.count("lazy", to(lazy.endpoint(), "udp") + "ip dscp cs0");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(one.ask(urgent.endpoint(), "now").payload, "now");
    EXPECT_EQ(one.ask(lazy.endpoint(), "later").payload, "later");
  }
  EXPECT_EQ(sent.packets("urgent"), 2U);
  EXPECT_EQ(sent.packets("lazy"), 2U);
}

TEST(Marks, ForwardedPacketsGetTheCodePointBothWaysAndKeepTheirEcn) {
  const GatewayProcess gateway(
      {.rules = "\n    - {name: peers, match: {to_tunnel: true}, action: forward, dscp: af41}"});
  const auto client =
      TunnelConnection::open(gateway.onramp(), {.addresses = {"100.64.0.2/32", "fd00:64::2/128"}});
  const auto peer =
      TunnelConnection::open(gateway.onramp(), {.addresses = {"100.64.0.3/32", "fd00:64::3/128"}});
  wait_for_tunnels(gateway, 2);
  constexpr unsigned kAf41 = 34 << 2;
  constexpr unsigned kEct0 = 2;
  for (const auto& [from, to] : {std::pair{"100.64.0.2:1000", "100.64.0.3:2000"},
                                 std::pair{"[fd00:64::2]:1000", "[fd00:64::3]:2000"}}) {
    client.send(udp(from, to).traffic_class(kEct0).payload("there").build());
    const auto there = peer.receive();
    ASSERT_TRUE(there);
    EXPECT_EQ(flows::parse(*there, {}).value().traffic_class, kAf41 | kEct0) << "checksum right";
    peer.send(udp(to, from).traffic_class(kEf | 1).payload("back").build());
    const auto back = client.receive();
    ASSERT_TRUE(back);
    EXPECT_EQ(flows::parse(*back, {}).value().traffic_class, kAf41 | 1);
  }
}

TEST(Marks, ConnectionThatIsDowngradedAgainHasItTowardsTheServer) {
  const GatewayProcess gateway({.rules = R"(
    - {name: audited, match: {to_tunnel: true}, action: upgrade, then: downgrade, dscp: cs1})"});
  const ClientNetwork client(gateway.onramp(), {.name = "laptop"});
  const ClientNetwork office(gateway.onramp(), {.name = "office", .addresses = {"100.64.0.3/32"}});
  const TcpServer server = TcpServer::echo(office.listen("100.64.0.3"));
  TcpConnection connection = client.connect(server.endpoint());
  connection.send("hello");
  EXPECT_EQ(connection.receive(5), "hello");
  constexpr unsigned kCs1 = 8 << 2;
  EXPECT_TRUE(office.sees(down_with(kCs1, flows::Protocol::kTcp)));
  EXPECT_EQ(office.tally(down_with(0, flows::Protocol::kTcp)).packets, 0U);
}

TEST(Marks, FlowIsMarkedWhereverItIsShown) {
  const GatewayProcess gateway({.rules = kMarked, .flows = kQuickTimeWait});
  const ClientNetwork client(gateway.onramp());
  const TcpServer server = TcpServer::echo();
  TcpConnection connection = client.connect(server.endpoint());
  ASSERT_EQ(gateway.flowctl({"flows", "mark=23", "dscp=ef"}).size(), 1U);
  EXPECT_EQ(gateway.flowctl({"flows", "mark=0"}).size(), 0U);
  const auto flow = gateway.flows().at(0);
  EXPECT_EQ(flow.at("mark"), 0x17);
  EXPECT_EQ(flow.at("dscp"), "ef");
  const Finished shown = gateway.run_flowctl({"flow", flow.at("id").dump()});
  EXPECT_NE(shown.out.find("0x17"), std::string::npos) << shown;

  const std::string source = flow.at("source");
  for (const std::string& packet : {"tcp " + source + " > " + server.endpoint().to_string(),
                                    std::string("udp 100.64.0.2:1 > 192.0.2.1:9")}) {
    const auto said = gateway.flowctl({"explain", packet});
    EXPECT_EQ(said.at("mark"), 0x17) << said;
    EXPECT_EQ(said.at("dscp"), "ef");
    EXPECT_NE(said.at("says").get<std::string>().find(", marked 0x17, with DSCP ef"),
              std::string::npos)
        << said;
  }
  connection.close();
  for (const char* event : {"flow_start", "flow_end"}) {
    const auto line = gateway.wait_for_audit(event, 1).front();
    EXPECT_EQ(line.at("mark"), 0x17);
    EXPECT_EQ(line.at("dscp"), "ef");
  }
}

// ---- SO_MARK ----

constexpr auto kRelaysMarks = R"(
    - {name: marked, match: {destination_port: 1-65535}, action: upgrade, mark: 0x17}
    - {name: pings, action: upgrade})";

TEST(SocketMarks, ReachTheKernelWhereTheGatewayMaySetThem) {
  SentByHost sent;
  const GatewayProcess gateway({.rules = kRelaysMarks, .before_exec = [] {
                                  return netns::keep_capabilities_over_exec() == 0;
                                }});
  const ClientNetwork client(gateway.onramp());
  const TcpServer server = TcpServer::echo();
  const UdpServer datagrams = UdpServer::echo();
  sent.count("connection", to(server.endpoint(), "tcp") + "tcp flags syn meta mark 0x17");
  sent.count("datagram", to(datagrams.endpoint(), "udp") + "meta mark 0x17");
  const TcpConnection connection = client.connect(server.endpoint());
  EXPECT_EQ(UdpClient(client).ask(datagrams.endpoint(), "hello").payload, "hello");
  EXPECT_EQ(sent.packets("connection"), 1U);
  EXPECT_EQ(sent.packets("datagram"), 1U);
  EXPECT_EQ(gateway.log().find("marks of rules stay with flows"), std::string::npos);

  constexpr auto kNetRaw = "CapEff:\t0000000000002000";  // and nothing else
  std::ifstream status("/proc/" + std::to_string(gateway.pid()) + "/status");
  const std::string text{std::istreambuf_iterator<char>(status), {}};
  EXPECT_NE(text.find(kNetRaw), std::string::npos) << text;
}

TEST(SocketMarks, StayWithTheFlowWhereItMayNotAndTheLogSaysSo) {
  SentByHost sent;
  const GatewayProcess gateway({.rules = kRelaysMarks});
  const ClientNetwork client(gateway.onramp());
  const TcpServer server = TcpServer::echo();
  sent.count("marked", to(server.endpoint(), "tcp") + "meta mark 0x17");
  sent.count("any", to(server.endpoint(), "tcp"));
  const TcpConnection connection = client.connect(server.endpoint());
  EXPECT_EQ(sent.packets("marked"), 0U);
  EXPECT_GT(sent.packets("any"), 0U);
  EXPECT_EQ(gateway.flowctl({"flows", "mark=0x17"}).size(), 1U);
  EXPECT_NE(gateway.log().find("marks of rules stay with flows, and sockets do not get them"),
            std::string::npos)
      << gateway.log();
}

// ---- What a tunnel carries ----

TEST(BitRate, FlowsBeyondItAreRefusedWhileTheTunnelCarriesMore) {
  const GatewayProcess gateway({.rules = R"(
    - {name: too-much, match: {bit_rate: ">1Mbit/s"}, action: reject})"});
  const ClientNetwork client(gateway.onramp());
  const TcpServer server = TcpServer::echo();
  const std::string packet = "tcp 100.64.0.2:1 > " + server.endpoint().to_string();
  const auto explained = gateway.flowctl({"explain", packet});
  EXPECT_EQ(explained.at("rules").at(0).at("key"), "bit_rate");
  EXPECT_EQ(explained.at("rules").at(0).at("found"), "0bit/s in the last second");
  EXPECT_EQ(explained.at("rules").at(0).at("wanted"), "more than 1Mbit/s");
  EXPECT_FALSE(client.try_connect(server.endpoint()));

  const TcpServer source = TcpServer::source(1ULL << 40U);
  {
    TcpConnection stream = client.connect(source.endpoint());
    const std::jthread reader([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        stream.receive(100'000);
      }
    });
    ASSERT_TRUE(
        eventually([&] { return gateway.flowctl({"explain", packet}).at("rule") == "too-much"; }));
    EXPECT_EQ(client.try_connect(server.endpoint()), std::errc::connection_refused);
    EXPECT_EQ(gateway.flowctl({"flows", "action=reject"}).size(), 1U);
  }
  EXPECT_TRUE(eventually([&] { return !client.try_connect(server.endpoint()); }))
      << "when it carries less, flows may begin again";
}

}  // namespace
}  // namespace integration
