// The harness itself, before any gateway: a client network against an on-ramp that the test plays.
//
//     client sandbox --TUN-- pump ==SEQPACKET pair== the test
//
//     host network: lo 192.0.2.1-9, with the servers of servers.h

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/must.h"
#include "integration/support/servers.h"
#include "netns/fd_passing.h"
#include "tests/support/packet_builder.h"

namespace integration {
namespace {

using testing::HasSubstr;

TEST(Program, GivesStatusAndBothStreams) {
  const Finished finished =
      run({"sh", "-c", "cat; echo no >&2; exit 3"}, kPatience, {.input = "hi"});

  EXPECT_EQ(finished.status, 3);
  EXPECT_EQ(finished.out, "hi");
  EXPECT_EQ(finished.err, "no\n");
}

TEST(Program, IsKilledWhenItTakesTooLong) {
  const Finished finished = run({"sleep", "1000"}, 50ms);

  EXPECT_EQ(finished.status, Finished::kTookTooLong);
}

TEST(Program, IsGoneWithItsOwner) {
  pid_t pid = -1;
  {
    const Program program = Program::start({"sleep", "1000"});
    pid = program.pid();
    EXPECT_TRUE(program.is_running());
  }
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST(Program, ThatDoesNotExistIsAnError) {
  EXPECT_THROW(run({"no-such-program"}), std::runtime_error);
}

TEST(Program, CanBeTypedTo) {
  Program cat = Program::start({"cat"}, {.keep_input_open = true});

  cat.type("one\n");
  EXPECT_TRUE(eventually([&] { return cat.out() == "one\n"; }));
  cat.type("two\n");

  EXPECT_EQ(cat.wait().out, "one\ntwo\n");
}

TEST(HostNetwork, GivesProgramsNoPrivilege) {
  const Finished finished = run({"sh", "-c", "id -u; id -un; grep CapEff /proc/self/status"});

  EXPECT_EQ(finished.out, "1000\ntester\nCapEff:\t0000000000000000\n") << finished;
}

TEST(HostNetwork, FailsInTheWaysThatItPromises) {
  const auto connect = [](const std::string& to) {
    const base::SocketAddress address({integration::address(to), base::Port{80}});
    const auto socket =
        base::Fd::adopt(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    return TcpConnection::try_connect(socket, address.endpoint().value(), 50ms).value();
  };

  EXPECT_EQ(connect(host::kProhibited4), EACCES);
  EXPECT_EQ(connect(host::kUnreachable4), EHOSTUNREACH);
  EXPECT_EQ(connect(host::kBlackhole4), EINVAL);
  EXPECT_EQ(connect(host::kNoRoute4), ENETUNREACH);
  EXPECT_EQ(connect(host::kSilent4), ETIMEDOUT);
  EXPECT_EQ(connect(host::kUnreachable6), EHOSTUNREACH);
  EXPECT_EQ(connect(host::kNoRoute6), ENETUNREACH);
  EXPECT_EQ(connect(host::kSilent6), ETIMEDOUT);
  EXPECT_EQ(connect(host::kServer4), ECONNREFUSED);
  EXPECT_EQ(connect(host::kOtherServer6), ECONNREFUSED);
}

// Not when the kernel's work queue gets round to it, and until then loses what goes there.
TEST(HostNetwork, TakesPacketsForItsIpv6ServersFromTheBeginning) {
  const Finished routes = run({"ip", "-6", "route", "show", "table", "local", "proto", "static"});
  for (int i = 1; i <= 9; ++i) {
    EXPECT_THAT(routes.out,
                testing::HasSubstr("local 2001:db8::" + std::to_string(i) + " dev lo "));
  }
}

TEST(HostNetwork, CanBeShaped) {
  host::shape({"ip", "route", "add", "blackhole", "198.51.100.99"});

  EXPECT_THAT(run({"ip", "route"}).out, HasSubstr("blackhole 198.51.100.99"));
  EXPECT_THROW(host::shape({"ip", "route", "add", "nonsense"}), std::runtime_error);
}

class Servers : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Families, Servers, testing::Values(host::kServer4, host::kServer6),
                         [](const auto& tested) {
                           return tested.param == host::kServer4 ? "IPv4" : "IPv6";
                         });

TEST_P(Servers, EchoSendsBackWhatComes) {
  const TcpServer server = TcpServer::echo(GetParam());
  TcpConnection client = TcpConnection::connect(server.endpoint());

  client.send("hello");
  EXPECT_EQ(client.receive(5), "hello");
  client.finish_sending();

  EXPECT_EQ(client.wait_for_end(), End::kFin);
  const Served served = server.wait_for_connection(0);
  EXPECT_EQ(served.peer, client.local());
  EXPECT_EQ(served.received_bytes, 5U);
  EXPECT_EQ(served.end, End::kFin);
}

TEST_P(Servers, SourceSendsAPatternThatDiscardKnows) {
  constexpr std::uint64_t kBytes = 3'000'001;
  const TcpServer source = TcpServer::source(kBytes, GetParam());
  const TcpServer sink = TcpServer::discard(GetParam());
  TcpConnection from = TcpConnection::connect(source.endpoint());
  TcpConnection to = TcpConnection::connect(sink.endpoint());

  EXPECT_EQ(from.drain([&](std::span<const std::byte> part) { to.send(part); }), End::kFin);
  to.finish_sending();

  const Served served = sink.wait_for_connection(0);
  EXPECT_EQ(served.received_bytes, kBytes);
  EXPECT_TRUE(served.pattern_is_right);
}

TEST(Server, DiscardNoticesAByteThatMoved) {
  const TcpServer sink = TcpServer::discard();
  const Pattern pattern;
  TcpConnection client = TcpConnection::connect(sink.endpoint());

  client.send(pattern.from(0).first(100));
  client.send(pattern.from(101).first(100));
  client.finish_sending();

  EXPECT_FALSE(sink.wait_for_connection(0).pattern_is_right);
}

TEST(Server, ResettingSendsRst) {
  const TcpServer server = TcpServer::resetting(3);
  TcpConnection client = TcpConnection::connect(server.endpoint());

  client.send("abc");

  EXPECT_EQ(client.wait_for_end(), End::kReset);
}

TEST(Server, HalfClosingStillReads) {
  const TcpServer server = TcpServer::half_closing("bye");
  TcpConnection client = TcpConnection::connect(server.endpoint());

  EXPECT_EQ(client.receive_all(), "bye");
  client.send("still here");
  client.finish_sending();

  EXPECT_EQ(server.wait_for_connection(0).received_bytes, 10U);
}

TEST(Server, AnswersAfterTheEnd) {
  const TcpServer server = TcpServer::answer_after_end();
  TcpConnection client = TcpConnection::connect(server.endpoint());

  client.send("question");
  client.finish_sending();

  EXPECT_EQ(client.receive_all(), "question");
}

TEST(Server, HoldsConnectionsAndEndsThem) {
  std::optional<TcpServer> server = TcpServer::holding();
  TcpConnection client = TcpConnection::connect(server->endpoint());
  server->wait_for_accepted(1);
  EXPECT_EQ(client.wait_for_end(20ms), End::kNone);

  server.reset();

  EXPECT_EQ(client.wait_for_end(), End::kFin);
}

TEST(Server, RunsAProgramForEachConnection) {
  const TcpServer server = TcpServer::program({"tr", "a-z", "A-Z"});
  TcpConnection client = TcpConnection::connect(server.endpoint());

  client.send("shout");
  client.finish_sending();

  EXPECT_EQ(client.receive_all(), "SHOUT");
}

TEST_P(Servers, UdpEchoAnswersEmptyDatagramsToo) {
  const UdpServer server = UdpServer::echo(GetParam());
  const UdpServer client = UdpServer::silent(GetParam());

  client.send_to(server.endpoint(), "");
  EXPECT_EQ(client.wait_for_datagrams(1)[0].payload, "");
  client.send_to(server.endpoint(), "ping");

  const auto answers = client.wait_for_datagrams(2);
  EXPECT_EQ(answers[1].payload, "ping");
  EXPECT_EQ(answers[1].from, server.endpoint());
}

TEST(Server, ClosedPortRefuses) {
  const auto socket = base::Fd::adopt(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

  EXPECT_EQ(TcpConnection::try_connect(socket, closed_port()).value(), ECONNREFUSED);
}

// A client network whose gateway is the test.
struct Played {
  explicit Played(const TunnelOptions& options = {})
      : Played(must(netns::seqpacket_pair()), options) {}
  Played(std::pair<base::Fd, base::Fd> ends, const TunnelOptions& options)
      : client(TunnelConnection(std::move(ends.first)), options), gateway(std::move(ends.second)) {}

  ClientNetwork client;
  TunnelConnection gateway;
};

flows::Packet parsed(const TunnelConnection::Bytes& bytes) {
  const auto packet = flows::parse(bytes, {});
  EXPECT_TRUE(packet);
  return packet ? *packet : flows::Packet{};
}

TEST(ClientNetwork, SendsThePacketsOfItsProgramsUpTheTunnel) {
  const Played played;
  const Program curl = played.client.start({"curl", "-sS", "http://192.0.2.1:8080/"});

  const auto packet = parsed(played.gateway.receive().value());

  EXPECT_EQ(packet.destination.to_string(), "192.0.2.1:8080");
  EXPECT_EQ(packet.source.address.to_string(), "100.64.0.2");
  EXPECT_TRUE(packet.tcp_flags.opens());
}

TEST(ClientNetwork, DeliversPacketsFromTheTunnel) {
  const Played played;
  const base::Fd socket = played.client.socket(AF_INET, SOCK_DGRAM);
  const base::SocketAddress any(endpoint("100.64.0.2:0"));
  must_call(::bind(socket.get(), any.data(), any.size()), "bind");

  played.gateway.send(test_support::udp("192.0.2.7:53", local_endpoint(socket).to_string())
                          .payload("answer")
                          .build());

  ASSERT_TRUE(ready_within(kPatience, socket));
  std::array<char, 64> buffer{};
  base::SocketAddress from;
  ASSERT_EQ(::recvfrom(socket.get(), buffer.data(), buffer.size(), 0, from.data(), &from.size()),
            6);
  EXPECT_EQ(from.endpoint(), endpoint("192.0.2.7:53"));
}

TEST(ClientNetwork, SpeaksWhenItIsSpokenToAndIsSilentOtherwise) {
  const Played played;

  played.gateway.send(test_support::echo_request("192.0.2.1", "100.64.0.2", 7).build());
  const auto reply = parsed(played.gateway.receive().value());

  EXPECT_EQ(reply.destination.address.to_string(), "192.0.2.1");
  EXPECT_FALSE(played.gateway.receive(50ms)) << "chatter of the kernel's own";
}

TEST(ClientNetwork, CountsWhatTheWireCarries) {
  const Played played;
  const auto request =
      test_support::echo_request("192.0.2.1", "100.64.0.2", 7).payload("abc").build();

  played.gateway.send(request);
  const auto reply = played.gateway.receive();

  EXPECT_EQ(played.client.down(), (WireTally{.packets = 1, .bytes = request.size()}));
  EXPECT_EQ(played.client.up(), (WireTally{.packets = 1, .bytes = reply.value().size()}));
  EXPECT_EQ(played.client.tally([](const SeenPacket& seen) { return seen.headers.icmp_type == 8; }),
            played.client.down());
}

TEST(ClientNetwork, HasNoOtherWayOut) {
  const Played played;
  const TcpServer server = TcpServer::echo();

  EXPECT_EQ(played.client.try_connect(server.endpoint(), 50ms).value(), ETIMEDOUT);
  EXPECT_TRUE(server.connections().empty());
}

TEST(ClientNetwork, ShowsTheGatewayTheEndOfTheTunnel) {
  Played played;

  played.client.close_tunnel();

  EXPECT_TRUE(played.gateway.is_closed_by_gateway());  // the other end, here
}

TEST(ClientNetwork, NoticesThatTheGatewayEndsTheTunnel) {
  Played played;

  played.gateway.close();

  EXPECT_TRUE(played.client.wait_for_gateway_to_close());
}

TEST(ClientNetwork, WithOffloadSendsSuperSegmentsAndCountsTheirParts) {
  TunnelOptions options;
  options.offload = true;
  const Played played(options);

  // No peer answers, so that nothing but the SYN comes; its frame is 10 bytes longer than it.
  EXPECT_EQ(played.client.try_connect(endpoint("192.0.2.1:80"), 20ms).value(), ETIMEDOUT);
  const auto frame = played.gateway.receive().value();

  EXPECT_EQ(played.client.up().bytes % (frame.size() - sizeof(flows::VnetHeader)), 0U);
}

}  // namespace
}  // namespace integration
