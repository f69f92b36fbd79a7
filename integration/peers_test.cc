// A program behind one tunnel and a server behind another of the same tenant: forwarded packet for
// packet, or upgraded to sockets and downgraded to packets again.
//
//     ssh, sockets   [sandbox A]          liftgate serve            [sandbox B]   sshd, servers
//     100.64.0.2 ------SEQPACKET----> NAT, kernel TCP, relay, ----SEQPACKET----> 100.64.0.3
//     fd00:64::2                      kernel TCP, NAT                            fd00:64::3
//
// What either end sees is the same both ways.

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <optional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flows/reply.h"
#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/must.h"
#include "integration/support/servers.h"
#include "integration/support/ssh.h"
#include "integration/support/tunnel_connection.h"
#include "integration/support/udp_client.h"

namespace integration {
namespace {

constexpr std::uint16_t kPort = 2222;
const std::string kThere4 = "100.64.0.3";
const std::string kThere6 = "fd00:64::3";

struct Way {
  const char* name;
  const char* rules;
};
constexpr Way kForwarded{"Forwarded", ""};
constexpr Way kByWayOfSockets{
    "ByWayOfSockets",
    "- {name: audited, match: {to_tunnel: true}, action: upgrade, then: downgrade}"};

GatewayConfig config_of(const Way& way) {
  GatewayConfig config;
  config.rules = way.rules;
  // A tunnel that has a name is waited for a while when it goes.
  config.flows = "{timeouts: {tcp_time_wait: 100ms, tunnel_away: 100ms}}";
  return config;
}

// The two networks and the gateway between them.
struct Network {
  explicit Network(const GatewayConfig& config) : gateway(config) { gateway.wait_for_tunnels(2); }

  // How the client's connect to somewhere there ends.
  std::error_code try_connect(const std::string& to, base::Duration limit = kPatience) const {
    return here.try_connect({address(to), base::Port{kPort}}, limit);
  }
  TcpServer echo(const std::string& at = kThere4) const {
    return TcpServer::echo(there->listen(at, kPort));
  }
  TcpConnection connected(const std::string& to = kThere4) const {
    TcpConnection connection = here.connect({address(to), base::Port{kPort}});
    connection.send("x");
    EXPECT_EQ(connection.receive(1), "x");
    return connection;
  }
  std::uint64_t drops(const std::string& name) const {
    for (const auto& drop : gateway.flowctl({"drops"})) {
      if (drop.at("name") == name) {
        return drop.at("count").get<std::uint64_t>();
      }
    }
    give_up("no such drop: " + name);
  }

  GatewayProcess gateway;
  ClientNetwork here{gateway.onramp(), {.name = "here"}};
  std::optional<ClientNetwork> there{
      std::in_place, gateway.onramp(),
      TunnelOptions{
          .name = "there", .addresses = {"100.64.0.3/32", "fd00:64::3/128"}, .mtu = 1300}};
};

class Peers : public testing::TestWithParam<Way> {
 protected:
  [[nodiscard]] static bool by_way_of_sockets() { return GetParam().name == kByWayOfSockets.name; }
  Network network_{config_of(GetParam())};
};
void PrintTo(const Way& way, std::ostream* stream) {
  *stream << way.name;
}
INSTANTIATE_TEST_SUITE_P(Ways, Peers, testing::Values(kForwarded, kByWayOfSockets),
                         [](const auto& tested) { return tested.param.name; });

TEST_P(Peers, SshSeesTheClientsOwnAddressAndCarriesAFile) {
  const SshFiles ssh;
  const TcpServer server = TcpServer::program(ssh.server(), network_.there->listen(kThere4, kPort));
  const Finished session =
      network_.here.run({"sh", "-c",
                         "head -c 20000000 /dev/zero | " + ssh.client(kPort) + " " + kThere4 +
                             " 'echo ${SSH_CLIENT% *}; sha256sum'"},
                        60s);
  const Finished sum = run({"sh", "-c", "head -c 20000000 /dev/zero | sha256sum"});
  EXPECT_EQ(session.status, 0) << session;

  const auto end = network_.gateway.wait_for_audit("flow_end", 1).at(0);
  const std::string source = end.at("source");
  EXPECT_EQ(source.substr(0, source.find(':')), "100.64.0.2");
  EXPECT_EQ(session.out, "100.64.0.2 " + source.substr(source.find(':') + 1) + "\n" + sum.out);
  EXPECT_EQ(end.at("destination"), kThere4 + ":" + std::to_string(kPort));
  EXPECT_EQ(end.at("reason"), "closed");
  EXPECT_EQ(end.at("tunnel"), "here");
  if (by_way_of_sockets()) {
    EXPECT_EQ(end.at("action"), "upgrade");
    EXPECT_EQ(end.at("then"), "downgrade");
    EXPECT_EQ(end.at("rule"), "audited");
    EXPECT_GT(end.at("rtt_us"), 0);
  } else {
    EXPECT_EQ(end.at("action"), "forward");
    EXPECT_FALSE(end.contains("then"));
  }
  // One record, of what the client's own tunnel carried.
  EXPECT_EQ(network_.gateway.wait_for_audit("flow_start", 1).size(), 1U);
  EXPECT_EQ(end.at("up").at("bytes"), network_.here.up().bytes);
  EXPECT_EQ(end.at("down").at("bytes"), network_.here.down().bytes);
}

TEST_P(Peers, BytesPassUnchangedOverBothFamilies) {
  constexpr std::uint64_t kBytes = 20'000'000;
  for (const auto& at : {kThere4, kThere6}) {
    const TcpServer server = TcpServer::source(kBytes, network_.there->listen(at, kPort));
    TcpConnection connection = network_.here.connect({address(at), base::Port{kPort}});
    const Pattern pattern;
    PatternChecker checker(pattern);
    EXPECT_EQ(connection.drain([&](auto part) { checker.take(part); }, 60s), End::kFin);
    EXPECT_EQ(checker.bytes(), kBytes);
    EXPECT_TRUE(checker.is_right());
    connection.finish_sending();
    EXPECT_EQ(server.wait_for_connection(0).end, End::kFin);
  }
}

TEST_P(Peers, EndsAreWhatTheyWere) {
  {
    const TcpServer server =
        TcpServer::half_closing("greeting", network_.there->listen(kThere4, kPort));
    TcpConnection connection = network_.here.connect({address(kThere4), base::Port{kPort}});
    EXPECT_EQ(connection.receive_all(), "greeting");
    connection.finish_sending();
    EXPECT_EQ(server.wait_for_connection(0).end, End::kFin);
  }
  {
    const TcpServer server = TcpServer::resetting(1, network_.there->listen(kThere4, kPort));
    TcpConnection connection = network_.here.connect({address(kThere4), base::Port{kPort}});
    connection.send("x");
    EXPECT_EQ(connection.wait_for_end(), End::kReset);
  }
  {
    const TcpServer server = network_.echo();
    network_.connected().reset();
    EXPECT_EQ(server.wait_for_connection(0).end, End::kReset);
  }
}

TEST_P(Peers, RefusalIsTheServersOwn) {
  EXPECT_EQ(network_.try_connect(kThere4).value(), ECONNREFUSED);
  EXPECT_EQ(network_.try_connect(kThere6).value(), ECONNREFUSED);
}

TEST_P(Peers, IcmpErrorOfTheOtherSideReachesTheClient) {
  // A server's network that answers everything with "prohibited", as its own kernel does it.
  network_.there.reset();
  network_.gateway.wait_for_tunnels(1);
  const auto tunnel = TunnelConnection::open(network_.gateway.onramp(),
                                             {.name = "wall", .addresses = {"100.64.0.3/32"}});
  network_.gateway.wait_for_tunnels(2);
  std::thread wall([&] {
    while (const auto syn = tunnel.receive(2s)) {
      const auto parsed = flows::parse(*syn, {});
      if (!parsed || parsed->protocol != flows::Protocol::kTcp) {
        continue;
      }
      std::vector<std::byte> answer(flows::kMaxReplyBytes);
      const auto length = flows::build_unreachable(*syn, *parsed, flows::Unreachable::kHost,
                                                   address("100.64.0.3"), answer);
      tunnel.send(std::span(answer).first(length.value()));
      return;
    }
  });
  EXPECT_EQ(network_.try_connect(kThere4).value(), EHOSTUNREACH);
  wall.join();
}

TEST_P(Peers, SilenceIsSilence) {
  network_.there.reset();
  network_.gateway.wait_for_tunnels(1);
  const auto tunnel = TunnelConnection::open(network_.gateway.onramp(),
                                             {.name = "silent", .addresses = {"100.64.0.3/32"}});
  network_.gateway.wait_for_tunnels(2);
  EXPECT_EQ(network_.try_connect(kThere4, 1500ms).value(), ETIMEDOUT);
  EXPECT_FALSE(network_.here.sees(
      [](const SeenPacket& packet) { return packet.direction == Direction::kDown; }, 0ms));
}

TEST_P(Peers, DatagramsPassWithTheClientsOwnAddress) {
  UdpClient client(network_.here);
  UdpClient server(*network_.there);
  const base::SocketAddress at(base::Endpoint{address(kThere4), base::Port{kPort}});
  must_call(::bind(server.socket().get(), at.data(), at.size()), "bind");

  client.send_to({address(kThere4), base::Port{kPort}}, "question");
  const auto question = server.receive();
  EXPECT_EQ(question.payload, "question");
  EXPECT_EQ(question.from.address, address("100.64.0.2"));
  server.send_to(question.from, "answer");
  const auto answer = client.receive();

  EXPECT_EQ(answer.payload, "answer");
  EXPECT_EQ(answer.from, (base::Endpoint{address(kThere4), base::Port{kPort}}));
  EXPECT_EQ(network_.gateway.flows().size(), 1U);
}

TEST_P(Peers, PingPasses) {
  const Finished ping = network_.here.run({"ping", "-c", "3", "-i", "0.01", "-W", "10", kThere4});
  EXPECT_EQ(ping.status, 0) << ping;
}

class Audited : public testing::Test {
 protected:
  Network network_{config_of(kByWayOfSockets)};
};

TEST(AuditedEverything, WithoutATunnelThereTheHostIsUnreachable) {
  GatewayConfig config;
  config.rules = "- {name: audited, action: upgrade, then: downgrade}";
  const Network network(config);
  EXPECT_EQ(network.try_connect("100.64.0.77").value(), EHOSTUNREACH);
  EXPECT_GE(network.drops("no_route"), 1U);
  EXPECT_TRUE(network.gateway.flows().empty());
}

TEST_F(Audited, FlowHasTwoBindingsAndOneRecord) {
  const TcpServer server = network_.echo();
  {
    const TcpConnection connection = network_.connected();
    EXPECT_EQ(network_.gateway.flowctl({"nat"}).at("claimed"), 2);
    const auto flows = network_.gateway.flows();
    ASSERT_EQ(flows.size(), 1U);
    EXPECT_EQ(flows[0].at("source"), connection.local().to_string());
    EXPECT_EQ(flows[0].at("then"), "downgrade");
    EXPECT_EQ(server.connections().at(0).peer, connection.local());
  }
  EXPECT_TRUE(eventually([&] { return network_.gateway.flowctl({"nat"}).at("claimed") == 0; }));
}

TEST_F(Audited, ExhaustedBindingsLeaveNoHalfOfAPair) {
  GatewayConfig config = config_of(kByWayOfSockets);
  config.more = "nat: {bindings: 3}";
  const Network network(config);
  const TcpServer server = network.echo();
  const TcpConnection first = network.connected();
  EXPECT_EQ(network.try_connect(kThere4).value(), ECONNREFUSED);
  EXPECT_EQ(network.gateway.flowctl({"nat"}).at("claimed"), 2);
  EXPECT_EQ(network.gateway.flowctl({"nat"}).at("exhausted"), 1);
}

TEST_F(Audited, KillResetsBothEnds) {
  const TcpServer server = network_.echo();
  TcpConnection connection = network_.connected();
  (void)network_.gateway.flowctl({"kill", network_.gateway.flows().at(0).at("id").dump()});
  EXPECT_EQ(connection.wait_for_end(), End::kReset);
  EXPECT_EQ(server.wait_for_connection(0).end, End::kReset);
}

TEST_F(Audited, KilledHelperResetsBothEndsAndComesBack) {
  const TcpServer server = network_.echo();
  TcpConnection before = network_.connected();
  ::kill(network_.gateway.children().front(), SIGKILL);
  EXPECT_EQ(before.wait_for_end(), End::kReset);
  EXPECT_EQ(server.wait_for_connection(0).end, End::kReset);
  ASSERT_TRUE(
      eventually([&] { return network_.gateway.flowctl({"stats"}).at("sandbox_restarts") == 1; }));
  network_.connected();
}

TEST_F(Audited, TunnelThatClosesResetsTheOtherEnd) {
  {
    const TcpServer server = network_.echo();
    TcpConnection connection = network_.connected();
    network_.there->close_tunnel();
    EXPECT_EQ(connection.wait_for_end(), End::kReset);
  }
  EXPECT_EQ(network_.gateway.wait_for_audit("flow_end", 1).at(0).at("reason"), "tunnel_closed");
  EXPECT_EQ(network_.gateway.flowctl({"nat"}).at("claimed"), 0);
}

TEST_F(Audited, ClientsTunnelThatClosesResetsTheServer) {
  const TcpServer server = network_.echo();
  const TcpConnection connection = network_.connected();
  network_.here.close_tunnel();
  EXPECT_EQ(server.wait_for_connection(0).end, End::kReset);
  EXPECT_EQ(network_.gateway.flowctl({"tenants"}).at(0).at("flows"), 0);
}

// Segments fit the smaller of the two tunnels each way: nothing needs to be fragmented.
TEST_F(Audited, EachTunnelHasItsOwnMtu) {
  const TcpServer server = network_.echo();
  TcpConnection connection = network_.connected();
  const std::string sent(300'000, 'x');
  std::thread sender([&] {
    connection.send(sent);
    connection.finish_sending();
  });
  EXPECT_TRUE(connection.receive_all() == sent);
  sender.join();
  const auto longer_than = [](std::uint32_t mtu) {
    return [mtu](const SeenPacket& packet) {
      return packet.direction == Direction::kDown && packet.headers.total_bytes > mtu;
    };
  };
  EXPECT_EQ(network_.there->tally(longer_than(1300)).packets, 0U);
  EXPECT_EQ(network_.here.tally(longer_than(1400)).packets, 0U);
}

}  // namespace
}  // namespace integration
