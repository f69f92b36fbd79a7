// ICMP through the real gateway: echo, TTLs that run out, and errors about upgraded TCP flows.
//
//     ping, traceroute [client sandbox] --- SEQPACKET --- liftgate serve --- 192.0.2.1, 2001:db8::1

#include <fcntl.h>

#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flows/reply.h"
#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/must.h"
#include "integration/support/servers.h"
#include "tests/support/packet_builder.h"

namespace integration {
namespace {

using testing::HasSubstr;

constexpr auto kGateway4 = "192.0.0.8", kGateway6 = "fd6c:6966:7467::1";

class Icmp : public testing::Test {
 protected:
  GatewayProcess gateway_;
  ClientNetwork client_{gateway_.onramp()};
};

TEST_F(Icmp, PingIsAnsweredAtEverySizeThatFits) {
  for (const std::string& address : {host::kServer4, host::kServer6}) {
    for (const std::string size : {"0", "56", "1352"}) {
      const Finished ping = client_.run({"ping", "-n", "-c1", "-W5", "-s", size, address});
      EXPECT_EQ(ping.status, 0) << ping;
    }
  }
}

TEST_F(Icmp, TwoPingsAtOnceKeepTheirIdentifiersApart) {
  const Program::Words words = {"ping", "-n", "-c5", "-i0.01", "-W5", host::kServer4};
  Program one = client_.start(words);
  Program other = client_.start(words);

  EXPECT_THAT(one.wait().out, HasSubstr("5 received"));
  EXPECT_THAT(other.wait().out, HasSubstr("5 received"));
}

TEST_F(Icmp, GatewayAnswersForItself) {
  for (const std::string address : {kGateway4, kGateway6}) {
    const Finished ping = client_.run({"ping", "-n", "-c1", "-W5", address});
    EXPECT_EQ(ping.status, 0) << ping;
  }
  EXPECT_TRUE(gateway_.flows().empty()) << "it is no flow";
}

TEST_F(Icmp, UnreachableDestinationSaysSo) {
  const Finished ping = client_.run({"ping", "-n", "-c1", "-W5", host::kUnreachable4});
  EXPECT_THAT(ping.out, HasSubstr("Destination Host Unreachable"));
}

TEST_F(Icmp, TracerouteShowsTheGatewayAndThenTheServer) {
  struct Case {
    std::string family, gateway, server;
  };
  for (const auto& [family, gateway, server] :
       {Case{"-4", kGateway4, host::kServer4}, Case{"-6", kGateway6, host::kServer6}}) {
    for (const std::string how : {"-U", "-I"}) {
      // One probe at a time: the error about one would make the client's kernel fail the next.
      const Finished trace =
          client_.run({"traceroute", family, "-n", how, "-q1", "-N1", "-m3", "-w5", server});
      EXPECT_EQ(trace.status, 0) << trace;
      EXPECT_THAT(trace.out, HasSubstr(" 1  " + gateway)) << how;
      EXPECT_THAT(trace.out, HasSubstr(" 2  " + server)) << how;
    }
  }
}

TEST_F(Icmp, TracepathFindsTheHopsAndThePathMtu) {
  struct Case {
    std::string family, gateway, server;
  };
  for (const auto& [family, gateway, server] :
       {Case{"-4", kGateway4, host::kServer4}, Case{"-6", kGateway6, host::kServer6}}) {
    const Finished trace = client_.run({"tracepath", family, "-n", "-m4", server}, 60s);
    EXPECT_EQ(trace.status, 0) << trace;
    EXPECT_THAT(trace.out, HasSubstr(" 1:  " + gateway)) << trace;
    EXPECT_THAT(trace.out, HasSubstr(" 2:  " + server)) << trace;
    EXPECT_THAT(trace.out, HasSubstr("pmtu 1400")) << trace;
    EXPECT_THAT(trace.out, HasSubstr("reached")) << trace;
  }
}

TEST_F(Icmp, RouterBehindTheClientShrinksTheSegmentsOfAnUpgradedFlow) {
  constexpr std::size_t kBytes = 100'000;
  const TcpServer server([](TcpConnection& connection, Served&) {
    for (int turn = 0; turn < 2; ++turn) {
      connection.receive(4);
      connection.send(std::string(kBytes, 'x'));
    }
  });
  auto tunnel = TunnelConnection::open(gateway_.onramp(), {.addresses = {"100.64.0.3/32"}});
  // The router's end of the same tunnel.
  const TunnelConnection router(
      base::Fd::adopt(must_call(::fcntl(tunnel.socket().get(), F_DUPFD_CLOEXEC, 0), "F_DUPFD")));
  const ClientNetwork client(std::move(tunnel), {.addresses = {"100.64.0.3/32"}});
  TcpConnection connection = client.connect(server.endpoint());
  connection.send("more");
  EXPECT_EQ(connection.receive(kBytes).size(), kBytes);
  // What is next in the sequence: the kernel that sends heeds nothing about what it has not sent,
  // or what has been acknowledged (TcpExtOutOfWindowIcmps).
  std::optional<std::uint32_t> first;
  const auto is_data = [&](const SeenPacket& seen) {
    return seen.direction == Direction::kDown && seen.headers.payload_bytes() > 0;
  };
  ASSERT_TRUE(client.sees([&](const SeenPacket& seen) {
    if (is_data(seen) && !first) {
      first = seen.headers.sequence;
    }
    return is_data(seen);
  }));
  const std::uint32_t next = *first + kBytes;
  const auto is_long = [&](const SeenPacket& seen) {
    return is_data(seen) && seen.headers.total_bytes > 1000;
  };
  EXPECT_GT(client.tally(is_long).packets, 0U);

  const auto original =
      test_support::tcp(server.endpoint().to_string(), connection.local().to_string())
          .seq(next)
          .ack(1)
          .payload(std::size_t{1360})
          .build();
  const auto parsed = flows::parse(original, {}).value();
  std::vector<std::byte> error(flows::kMaxReplyBytes);
  error.resize(flows::build_icmp_error(original, parsed, flows::too_big(true, 1000),
                                       address("100.64.0.3"), error)
                   .value());
  // From the router to the server: the other way round than the gateway's own.
  flows::Packet head = flows::parse(error, {}).value();
  ASSERT_EQ(head.destination.address, server.endpoint().address);
  ASSERT_TRUE(router.send(error));
  connection.send("more");
  EXPECT_EQ(connection.receive(kBytes).size(), kBytes);

  const auto is_later = [&](const SeenPacket& seen) {
    return is_data(seen) && static_cast<std::int32_t>(seen.headers.sequence - next) >= 0;
  };
  EXPECT_GE(client.tally(is_later).bytes, kBytes);
  EXPECT_EQ(
      client.tally([&](const SeenPacket& seen) { return is_later(seen) && is_long(seen); }).packets,
      0U);
}

}  // namespace
}  // namespace integration
