// What the gateway sends finds no room in its own host's network (ENOBUFS): what is lost is counted
// and nothing else is, and service goes on as soon as there is room.
//
//     client ==SEQPACKET==> gateway --> lo, whose queue holds 0 packets: `pfifo limit 0` --X server
//
// The kernel tells whoever asks for errors (IP_RECVERR) and lets TCP send again.

#include <cstdint>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/drops.h"
#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/servers.h"
#include "integration/support/udp_client.h"
#include "tests/support/packet_builder.h"

namespace integration {
namespace {

// The host network loses everything, while it lives.
class NoRoom {
 public:
  NoRoom() { host::shape({"tc", "qdisc", "add", "dev", "lo", "root", "pfifo", "limit", "0"}); }
  ~NoRoom() { host::shape({"tc", "qdisc", "del", "dev", "lo", "root"}); }
  NoRoom(const NoRoom&) = delete;
  NoRoom& operator=(const NoRoom&) = delete;

  // Packets, so far.
  [[nodiscard]] std::uint64_t lost() const {
    const std::string shown = run({"tc", "-s", "qdisc", "show", "dev", "lo"}).out;
    constexpr std::string_view kBefore = "(dropped ";
    return std::stoull(shown.substr(shown.find(kBefore) + kBefore.size()));
  }
};

class NoBuffers : public testing::TestWithParam<std::string> {
 protected:
  [[nodiscard]] bool is_v4() const { return GetParam() == host::kServer4; }
  // Sends that the kernel refused, of a gateway that has dropped nothing else.
  [[nodiscard]] std::uint64_t refused() const {
    std::uint64_t count = 0;
    for (const auto& [reason, dropped] : drops(gateway_)) {
      if (reason == "upstream_send_failed") {
        count = dropped;
      } else if (reason != "held_syn") {  // one that is sent again while the upstream is dialled
        EXPECT_EQ(dropped, 0U) << reason;
      }
    }
    return count;
  }
  [[nodiscard]] bool refused_becomes(std::uint64_t count) const {
    return eventually([&] { return refused() == count; });
  }

  GatewayProcess gateway_;
};
INSTANTIATE_TEST_SUITE_P(Families, NoBuffers, testing::Values(host::kServer4, host::kServer6),
                         [](const auto& test) {
                           return test.param == host::kServer4 ? "IPv4" : "IPv6";
                         });

TEST_P(NoBuffers, DatagramIsLostAsOnTheWayAndTheNextOneGoes) {
  const ClientNetwork client(gateway_.onramp());
  const UdpServer server = UdpServer::echo(GetParam());
  const UdpClient socket(client, is_v4() ? AF_INET : AF_INET6);
  socket.connect(server.endpoint());  // an error would be shown to it
  EXPECT_EQ(socket.ask(server.endpoint(), "before").payload, "before");
  {
    const NoRoom no_room;
    for (int i = 0; i < 3; ++i) {
      socket.send_to(server.endpoint(), "lost");
    }
    EXPECT_TRUE(refused_becomes(3)) << refused();
    EXPECT_EQ(no_room.lost(), 3U);
  }
  const auto answer = socket.ask(server.endpoint(), "after");
  EXPECT_EQ(answer.error, 0);
  EXPECT_EQ(answer.payload, "after");
  const auto received = server.received();
  ASSERT_EQ(received.size(), 2U);
  EXPECT_EQ(received[0].from, received[1].from) << "by the same socket";
  EXPECT_EQ(gateway_.flows().size(), 1U);
}

TEST_P(NoBuffers, EchoIsLostAndTheNextOneIsAnswered) {
  const auto tunnel = TunnelConnection::open(gateway_.onramp());
  const auto echo = [&](std::uint16_t number) {
    const char* from = is_v4() ? "100.64.0.2" : "fd00:64::2";
    return test_support::echo_request(from, GetParam(), 7, number).build();
  };
  const auto answered = [&]() -> unsigned {
    const auto packet = tunnel.receive();
    return packet ? test_support::get16(*packet, flows::parse(*packet, {})->transport_offset + 6)
                  : 0;
  };
  tunnel.send(echo(1));
  EXPECT_EQ(answered(), 1U);
  {
    const NoRoom no_room;
    tunnel.send(echo(2));
    EXPECT_TRUE(eventually([&] { return no_room.lost() == 1; }));
    // icmpv6_push_pending_frames() tells nobody (ping_v6_sendmsg() in net/ipv6/ping.c).
    EXPECT_TRUE(refused_becomes(is_v4() ? 1 : 0)) << refused();
  }
  tunnel.send(echo(3));
  EXPECT_EQ(answered(), 3U);
}

TEST_P(NoBuffers, ConnectionsGoOnAndNewOnesWait) {
  const ClientNetwork client(gateway_.onramp());
  const TcpServer server = TcpServer::echo(GetParam());
  TcpConnection established = client.connect(server.endpoint());
  established.send("before");
  EXPECT_EQ(established.receive(6), "before");
  const base::Fd late = client.socket(is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK);
  {
    const NoRoom no_room;
    established.send("meanwhile");
    EXPECT_TRUE(eventually([&] { return no_room.lost() > 0; }));
    const std::uint64_t lost = no_room.lost();
    const base::SocketAddress to(server.endpoint());
    EXPECT_EQ(::connect(late.get(), to.data(), to.size()), -1);
    EXPECT_TRUE(eventually([&] { return gateway_.flows().size() == 2; }));
    EXPECT_TRUE(eventually([&] { return no_room.lost() > lost + 1; }));
    EXPECT_FALSE(ready_within(0ms, late, POLLOUT));
  }
  EXPECT_EQ(established.receive(9), "meanwhile");
  ASSERT_TRUE(ready_within(kPatience, late, POLLOUT));
  int error = -1;
  socklen_t size = sizeof(error);
  EXPECT_EQ(::getsockopt(late.get(), SOL_SOCKET, SO_ERROR, &error, &size), 0);
  EXPECT_EQ(error, 0);
  EXPECT_EQ(refused(), 0U);
}

}  // namespace
}  // namespace integration
