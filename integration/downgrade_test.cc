// What becomes packets to a tunnel: connections to, and datagrams for, published ports of a daemon.
//
//     sockets of the test ==TCP==> 192.0.2.1:port   liftgate serve
//                                        |
//                        [gateway's sandbox: kernel TCP] -- NAT --> SEQPACKET --> client sandbox:
//                                                                       servers on 100.64.0.2:8080
//
// The servers are threads of the test with sockets of the client's network.

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <iostream>
#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/descriptors.h"
#include "integration/support/gateway_process.h"
#include "integration/support/must.h"
#include "integration/support/servers.h"
#include "integration/support/tunnel_connection.h"
#include "integration/support/udp_client.h"

namespace integration {
namespace {

constexpr std::uint16_t kInside = 8080;
const std::string kInside4 = "100.64.0.2";
const std::string kInside6 = "fd00:64::2";

// A tenant that publishes ports of each protocol and family, and one of loopback.
GatewayConfig publishing() {
  GatewayConfig config;
  config.tenants =
      "- name: acme\n"
      "  id: 1001\n"
      "  sources: [100.64.0.0/10, 'fd00:64::/48']\n"
      "  publish:\n"
      "    - {listen: '192.0.2.1:0', to: '100.64.0.2:8080'}\n"
      "    - {listen: '[2001:db8::1]:0', to: '[fd00:64::2]:8080'}\n"
      "    - {listen: '127.0.0.1:0', to: '100.64.0.2:8080'}\n"
      "    - {listen: '0.0.0.0:0', to: '100.64.0.2:8080', protocol: udp}\n"
      "    - {listen: '[::]:0', to: '[fd00:64::2]:8080', protocol: udp}";
  config.flows = kQuickTimeWait;
  return config;
}

class Downgrade : public testing::Test {
 protected:
  Downgrade() { gateway_.wait_for_tunnels(1); }
  // Where `host` of the above listens, as the log says.
  base::Endpoint published(const std::string& host) const {
    const std::regex line("port published listen=(\\S+) to=");
    const std::string log = gateway_.log();
    for (std::sregex_iterator match(log.begin(), log.end(), line); match != std::sregex_iterator();
         ++match) {
      const auto listen = endpoint((*match)[1]);
      if (listen.address == address(host)) {
        return listen;
      }
    }
    give_up("not published: " + host);
  }
  std::uint64_t drops(const std::string& name) const {
    for (const auto& drop : gateway_.flowctl({"drops"})) {
      if (drop.at("name") == name) {
        return drop.at("count").get<std::uint64_t>();
      }
    }
    give_up("no such drop: " + name);
  }
  TcpServer echo(const std::string& at = kInside4) const {
    return TcpServer::echo(client_.listen(at, kInside));
  }
  // A connection that works.
  TcpConnection connected(const std::string& host = "192.0.2.1") const {
    TcpConnection connection = TcpConnection::connect(published(host));
    connection.send("x");
    EXPECT_EQ(connection.receive(1), "x");
    return connection;
  }

  GatewayProcess gateway_{publishing()};
  ClientNetwork client_{gateway_.onramp()};
};

TEST_F(Downgrade, ServerBehindTheTunnelSeesTheClientsOwnAddress) {
  for (const auto& [host, inside] :
       {std::pair(std::string("192.0.2.1"), kInside4), {"2001:db8::1", kInside6}}) {
    const TcpServer server = echo(inside);
    const TcpConnection connection = connected(host);
    EXPECT_EQ(server.connections().at(0).peer, connection.local());
  }
}

TEST_F(Downgrade, ClientOnTheLoopbackComesFromTheGateway) {
  const TcpServer server = echo();
  const TcpConnection connection = connected("127.0.0.1");
  EXPECT_EQ(server.connections().at(0).peer.address, address("192.0.0.8"));
  EXPECT_EQ(gateway_.flows().at(0).at("source"), server.connections().at(0).peer.to_string());
}

TEST_F(Downgrade, EndsAreWhatTheyWere) {
  {
    const TcpServer server = TcpServer::half_closing("greeting", client_.listen(kInside4, kInside));
    TcpConnection connection = TcpConnection::connect(published("192.0.2.1"));
    EXPECT_EQ(connection.receive_all(), "greeting");
    connection.finish_sending();
    EXPECT_EQ(server.wait_for_connection(0).end, End::kFin);
  }
  {
    const TcpServer server = TcpServer::resetting(1, client_.listen(kInside4, kInside));
    TcpConnection connection = TcpConnection::connect(published("192.0.2.1"));
    connection.send("x");
    EXPECT_EQ(connection.wait_for_end(), End::kReset);
  }
  {
    const TcpServer server = echo();
    TcpConnection connection = connected();
    connection.reset();
    EXPECT_EQ(server.wait_for_connection(0).end, End::kReset);
  }
}

TEST_F(Downgrade, RefusalInsideIsAResetAndTheAuditSaysRefused) {
  EXPECT_EQ(end_of_new_connection(published("192.0.2.1")), End::kReset);
  const auto end = gateway_.wait_for_audit("flow_end", 1).front();
  EXPECT_EQ(end.at("reason"), "refused");
  EXPECT_EQ(end.at("action"), "downgrade");
  EXPECT_EQ(end.at("destination"), "100.64.0.2:8080");
}

TEST_F(Downgrade, WithoutATunnelThereTheClientIsResetAndCounted) {
  client_.close_tunnel();
  gateway_.wait_for_tunnels(0);
  EXPECT_EQ(end_of_new_connection(published("192.0.2.1")), End::kReset);
  EXPECT_EQ(drops("no_route"), 1U);
  EXPECT_TRUE(gateway_.flows().empty());
}

TEST_F(Downgrade, TunnelThatClosesResetsItsClients) {
  const TcpServer server = echo();
  TcpConnection connection = connected();
  client_.close_tunnel();
  EXPECT_EQ(connection.wait_for_end(), End::kReset);
  EXPECT_EQ(gateway_.wait_for_audit("flow_end", 1).front().at("reason"), "tunnel_closed");
  EXPECT_EQ(gateway_.flowctl({"nat"}).at("claimed"), 0);
}

TEST_F(Downgrade, TunnelOfSmallMtuGetsNoPacketThatIsLonger) {
  constexpr std::uint64_t kBytes = 5'000'000;
  const TcpServer server = TcpServer::discard(client_.listen(kInside4, kInside));
  TcpConnection connection = TcpConnection::connect(published("192.0.2.1"));
  const Pattern pattern;
  for (std::uint64_t sent = 0; sent < kBytes;) {
    auto part = pattern.from(sent);
    part = part.first(std::min<std::size_t>(part.size(), kBytes - sent));
    connection.send(part);
    sent += part.size();
  }
  connection.finish_sending();
  const Served served = server.wait_for_connection(0);
  EXPECT_EQ(served.received_bytes, kBytes);
  EXPECT_TRUE(served.pattern_is_right);
  EXPECT_EQ(client_
                .tally([](const SeenPacket& packet) {
                  return packet.direction == Direction::kDown && packet.headers.total_bytes > 1400;
                })
                .packets,
            0U);
}

TEST_F(Downgrade, KilledHelperResetsBothEndsAndComesBack) {
  const TcpServer server = echo();
  TcpConnection before = connected();
  const auto helpers = gateway_.children();
  ASSERT_EQ(helpers.size(), 1U);

  ::kill(helpers.front(), SIGKILL);

  EXPECT_EQ(before.wait_for_end(), End::kReset);
  EXPECT_EQ(server.wait_for_connection(0).end, End::kReset);
  EXPECT_EQ(gateway_.wait_for_audit("flow_end", 1).front().at("reason"), "sandbox_lost");
  ASSERT_TRUE(eventually([&] { return gateway_.flowctl({"stats"}).at("sandbox_restarts") == 1; }));
  connected();
}

// Nobody answers the SYN: the client waits, as it would for a silent host, until the helper dies.
TEST_F(Downgrade, KilledHelperEndsDialsThatAreUnderWay) {
  client_.close_tunnel();
  gateway_.wait_for_tunnels(0);
  const auto silent = TunnelConnection::open(gateway_.onramp(), {.addresses = {kInside4 + "/32"}});
  gateway_.wait_for_tunnels(1);
  TcpConnection client = TcpConnection::connect(published("192.0.2.1"));
  ASSERT_TRUE(silent.receive().has_value()) << "the SYN";
  EXPECT_EQ(gateway_.flows().at(0).at("state"), "dialing");

  ::kill(gateway_.children().front(), SIGKILL);

  EXPECT_EQ(client.wait_for_end(), End::kReset);
  EXPECT_EQ(gateway_.wait_for_audit("flow_end", 1).front().at("reason"), "sandbox_lost");
  EXPECT_EQ(gateway_.flowctl({"nat"}).at("claimed"), 0);
}

// More at once than the pool holds: those that come late wait for sockets, and none is refused.
TEST_F(Downgrade, BurstThatEmptiesThePoolIsServedToTheLast) {
  const TcpServer server = echo();
  std::vector<TcpConnection> burst;
  for (int i = 0; i < 600; ++i) {
    burst.push_back(TcpConnection::connect(published("192.0.2.1")));
    burst.back().send("x");
  }
  for (TcpConnection& connection : burst) {
    EXPECT_EQ(connection.receive(1), "x");
  }
  EXPECT_EQ(drops("no_pool_socket"), 0U);
}

// The helper's own limit: it can make none. What is in the pool still serves.
TEST_F(Downgrade, WantOfSocketsRefusesTheConnectionAndIsCounted) {
  const TcpServer server = echo();
  TcpConnection before = connected();
  const pid_t helper = gateway_.children().front();
  const rlimit none{.rlim_cur = 3, .rlim_max = 3};
  ASSERT_EQ(::prlimit(helper, RLIMIT_NOFILE, &none, nullptr), 0);

  std::vector<base::Fd> clients;
  const auto to = published("192.0.2.1");
  ASSERT_TRUE(eventually([&] {
    clients.push_back(base::Fd::adopt(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    (void)TcpConnection::try_connect(clients.back(), to);
    return drops("no_pool_socket") > 0;
  }));

  EXPECT_GE(server.connections().size(), 32U);
  before.send("still here");
  EXPECT_EQ(before.receive(10), "still here");
}

TEST_F(Downgrade, FiveThousandConnectionsLeaveNothingBehind) {
  constexpr std::size_t kConnections = 5'000;
  struct Use {
    std::size_t descriptors, bindings, flows;
    bool operator==(const Use&) const = default;
  };
  const auto use = [&] {
    const auto stats = gateway_.flowctl({"stats"});
    return Use{descriptors_of(gateway_.pid()).others - stats.at("pool_sockets").get<std::size_t>(),
               gateway_.flowctl({"nat"}).at("claimed"), stats.at("flows")};
  };
  const TcpServer server = echo();
  const base::Endpoint at = published("192.0.2.1");
  {
    TcpConnection first = connected();
    first.reset();
  }
  ASSERT_TRUE(eventually([&] { return use().flows == 0; }));
  const Use before = use();
  for (std::size_t i = 0; i < kConnections; ++i) {
    TcpConnection connection = TcpConnection::connect(at);
    connection.send("x");
    ASSERT_EQ(connection.receive(1), "x");
    if (i % 2 == 0) {
      connection.reset();
    } else {
      connection.finish_sending();
      ASSERT_EQ(connection.wait_for_end(), End::kFin);
    }
  }
  EXPECT_TRUE(eventually([&] { return use() == before; }, 30s))
      << use().descriptors << " descriptors, were " << before.descriptors << "; " << use().bindings
      << " bindings, " << use().flows << " flows";
  EXPECT_EQ(gateway_.wait_for_audit("flow_end", kConnections + 1).size(), kConnections + 1);
}

// Not a limit that is kept, but a figure that is shown: from connect() to the first byte back.
TEST_F(Downgrade, SetUpLatencyBesideAnOrdinaryConnect) {
  constexpr int kRounds = 500;
  const auto median_of = [&](const base::Endpoint& to) {
    std::vector<std::chrono::nanoseconds> taken;
    for (int i = 0; i < kRounds; ++i) {
      const auto start = base::Clock::now();
      TcpConnection connection = TcpConnection::connect(to);
      connection.send("x");
      EXPECT_EQ(connection.receive(1), "x");
      taken.push_back(base::Clock::now() - start);
      connection.reset();
    }
    std::ranges::nth_element(taken, taken.begin() + kRounds / 2);
    return std::chrono::duration_cast<std::chrono::microseconds>(taken[kRounds / 2]).count();
  };
  const TcpServer inside = echo();
  const TcpServer outside = TcpServer::echo();
  const auto ordinary_us = median_of(outside.endpoint());
  const auto downgraded_us = median_of(published("192.0.2.1"));
  RecordProperty("ordinary_connect_us", std::to_string(ordinary_us));
  RecordProperty("downgraded_connect_us", std::to_string(downgraded_us));
  std::cout << "connect, one byte there and back, median: ordinary " << ordinary_us
            << " us, downgraded " << downgraded_us << " us\n";
  EXPECT_GT(downgraded_us, 0);
}

// ---- UDP ----

// A UDP server inside and clients outside, all in the test's hands.
class DowngradeUdp : public Downgrade {
 protected:
  UdpClient server(const std::string& at = kInside4) const {
    const base::SocketAddress here(base::Endpoint{address(at), base::Port{kInside}});
    UdpClient server(client_, here.family());
    must_call(::bind(server.socket().get(), here.data(), here.size()), "bind");
    return server;
  }
  base::Endpoint at(const std::string& host) const {
    return {address(host), published(address(host).is_v4() ? "0.0.0.0" : "::").port};
  }
};

// Connected: the kernel gives it nothing that comes from elsewhere.
UdpClient client_of(const base::Endpoint& to) {
  UdpClient client(base::SocketAddress(to).family());
  client.connect(to);
  return client;
}

TEST_F(DowngradeUdp, AnswersLeaveFromTheAddressThatTheClientHasSpokenTo) {
  for (const auto& [host, inside] :
       {std::pair("192.0.2.5", kInside4), {"192.0.2.1", kInside4}, {"2001:db8::7", kInside6}}) {
    const UdpClient server = this->server(inside);
    const UdpClient client = client_of(at(host));
    client.send_to(at(host), "question");

    const auto question = server.receive();
    EXPECT_EQ(question.payload, "question");
    EXPECT_EQ(question.from, local_endpoint(client.socket()));
    server.send_to(question.from, "answer");

    const auto answer = client.receive();
    EXPECT_EQ(answer.payload, "answer");
    EXPECT_EQ(answer.from, at(host));
  }
}

TEST_F(DowngradeUdp, ClientOnTheLoopbackComesFromTheGateway) {
  const UdpClient server = this->server();
  const UdpClient client = client_of(at("127.0.0.1"));
  client.send_to(at("127.0.0.1"), "question");
  const auto question = server.receive();
  EXPECT_EQ(question.from.address, address("192.0.0.8"));
  server.send_to(question.from, "answer");
  EXPECT_EQ(client.receive().payload, "answer");
}

TEST_F(DowngradeUdp, EachClientIsAFlowAndGetsItsOwnAnswers) {
  constexpr std::size_t kClients = 200;
  const UdpClient server = this->server();
  std::vector<UdpClient> clients;
  for (std::size_t i = 0; i < kClients; ++i) {
    clients.push_back(client_of(at("192.0.2.5")));
    clients.back().send_to(at("192.0.2.5"), std::to_string(i));
    const auto question = server.receive();
    server.send_to(question.from, "you are " + question.payload);
  }
  for (std::size_t i = 0; i < kClients; ++i) {
    EXPECT_EQ(clients[i].receive().payload, "you are " + std::to_string(i));
  }
  const auto flows = gateway_.flows();
  ASSERT_EQ(flows.size(), kClients);
  EXPECT_EQ(flows[0].at("protocol"), "udp");
  EXPECT_EQ(flows[0].at("action"), "downgrade");
  EXPECT_EQ(flows[0].at("up").at("packets"), 1);
  EXPECT_EQ(flows[0].at("down").at("packets"), 1);
  EXPECT_EQ(gateway_.flowctl({"nat"}).at("claimed"), 0) << "datagrams need no binding";
}

TEST_F(DowngradeUdp, DatagramIsWholeWhateverItsSize) {
  const UdpClient server = this->server();
  const UdpClient client = client_of(at("192.0.2.5"));
  for (const std::size_t bytes : {0UL, 1UL, 1372UL, 1373UL, 9'000UL, 65'507UL}) {
    const std::string sent(bytes, 'x');
    client.send_to(at("192.0.2.5"), sent);
    const auto question = server.receive();
    EXPECT_TRUE(question.payload == sent) << bytes << " bytes";
    server.send_to(question.from, sent);
    EXPECT_TRUE(client.receive().payload == sent) << bytes << " bytes back";
  }
  EXPECT_EQ(client_
                .tally([](const SeenPacket& packet) {
                  return packet.direction == Direction::kDown && packet.headers.total_bytes > 1400;
                })
                .packets,
            0U);
}

TEST_F(DowngradeUdp, KilledFlowEndsAndTheNextDatagramBeginsAnother) {
  const UdpClient server = this->server();
  const UdpClient client = client_of(at("192.0.2.5"));
  client.send_to(at("192.0.2.5"), "one");
  const auto first = server.receive();

  (void)gateway_.flowctl({"kill", gateway_.flows().at(0).at("id").dump()});
  server.send_to(first.from, "nobody is told");
  ASSERT_TRUE(eventually([&] { return drops("flow_killed") == 1; }));

  client.send_to(at("192.0.2.5"), "two");
  EXPECT_EQ(server.receive().payload, "two");
  EXPECT_EQ(gateway_.wait_for_audit("flow_end", 1).at(0).at("reason"), "killed");
}

TEST_F(DowngradeUdp, SilentFlowEndsByTime) {
  GatewayConfig config = publishing();
  config.flows = "{timeouts: {udp: 300ms, udp_stream: 300ms}}";
  const GatewayProcess gateway(config);
  const ClientNetwork network(gateway.onramp());
  gateway.wait_for_tunnels(1);
  const std::string log = gateway.log();
  std::smatch match;
  ASSERT_TRUE(std::regex_search(log, match, std::regex("listen=0.0.0.0:(\\d+)")));
  const auto to = endpoint("192.0.2.5:" + match[1].str());
  client_of(to).send_to(to, "x");
  const auto end = gateway.wait_for_audit("flow_end", 1).at(0);
  EXPECT_EQ(end.at("reason"), "timed_out");
  EXPECT_EQ(end.at("action"), "downgrade");
}

}  // namespace
}  // namespace integration
