// What is stopped from outside is stopped at both of its ends, and says so.
//
//     client ==SEQPACKET==> gateway ==SEQPACKET==> peer     (forwarded)
//     client ==SEQPACKET==> gateway ==TCP==> server         (upgraded)

#include <algorithm>
#include <csignal>

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/servers.h"
#include "integration/support/tunnel_connection.h"
#include "tests/support/packet_builder.h"

namespace integration {
namespace {

using test_support::tcp;
using test_support::udp;

constexpr auto kClient = "100.64.0.2:4000";
constexpr auto kPeer = "100.64.0.9:7777";

flows::Packet parsed(const TunnelConnection::Bytes& bytes) {
  return flows::parse(bytes, {}).value();
}

// Both tunnels are in the test's hands, so that it sees every packet.
class Killed : public testing::Test {
 protected:
  flows::Packet next(const TunnelConnection& tunnel) {
    const auto bytes = tunnel.receive();
    return bytes ? parsed(*bytes) : flows::Packet{};
  }
  void open_connection() {
    client_.send(tcp(kClient, kPeer).seq(1).syn().build());
    ASSERT_TRUE(next(peer_).tcp_flags.syn());
    peer_.send(tcp(kPeer, kClient).seq(7).syn().ack(2).build());
    ASSERT_TRUE(next(client_).tcp_flags.syn());
  }
  void kill_flow() {
    EXPECT_EQ(gateway_.run_flowctl({"kill", gateway_.flows().at(0).at("id").dump()}).status, 0);
  }
  nlohmann::json the_end() { return gateway_.wait_for_audit("flow_end", 1).front(); }

  // Longer than two runs of flowctl take on a busy machine: a flow must be there to be killed.
  GatewayProcess gateway_{{.flows = "{timeouts: {tcp_time_wait: 1s, udp: 1s}}"}};
  TunnelConnection client_ = TunnelConnection::open(gateway_.onramp());
  TunnelConnection peer_ =
      TunnelConnection::open(gateway_.onramp(), {.addresses = {"100.64.0.9/32"}});
};

TEST_F(Killed, ForwardedConnectionIsResetAtWhicheverSideSends) {
  open_connection();
  client_.send(tcp(kClient, kPeer).seq(2).ack(8).build());
  ASSERT_TRUE(next(peer_).tcp_flags.ack());
  kill_flow();

  peer_.send(tcp(kPeer, kClient).seq(8).ack(2).payload("more").build());
  const flows::Packet to_peer = next(peer_);
  EXPECT_TRUE(to_peer.tcp_flags.rst());
  EXPECT_EQ(to_peer.sequence, 2U);
  client_.send(tcp(kClient, kPeer).seq(2).ack(8).payload("more").build());
  const flows::Packet to_client = next(client_);
  EXPECT_TRUE(to_client.tcp_flags.rst());
  EXPECT_EQ(to_client.sequence, 8U);

  const auto end = the_end();
  EXPECT_EQ(end.at("reason"), "killed");
  EXPECT_EQ(end.at("up").at("packets"), 3);    // SYN, ACK, what came too late
  EXPECT_EQ(end.at("down").at("packets"), 2);  // SYN, RST; what the peer sent did not pass
}

TEST_F(Killed, ForwardedDatagramsAreProhibitedBothWaysAndDoNotKeepTheFlow) {
  client_.send(udp(kClient, kPeer).payload("x").build());
  EXPECT_EQ(next(peer_).protocol, flows::Protocol::kUdp);
  kill_flow();

  // Whoever sends until the flow has ended opens another one then, which is let through.
  bool prohibited_for_peer = false;
  EXPECT_TRUE(eventually(
      [&] {
        peer_.send(udp(kPeer, kClient).payload("y").build());
        if (const auto answer = peer_.receive(20ms)) {
          const flows::Packet error = parsed(*answer);
          prohibited_for_peer =
              prohibited_for_peer || (error.icmp_type == 3 && error.icmp_code == 13);
        }
        return std::ranges::any_of(gateway_.audit(),
                                   [](const auto& line) { return line.at("event") == "flow_end"; });
      },
      5s));
  EXPECT_TRUE(prohibited_for_peer);
  EXPECT_EQ(the_end().at("reason"), "killed");
}

TEST_F(Killed, ForwardedConnectionIsSynReceivedUntilItsHandshakeIsOver) {
  open_connection();
  EXPECT_EQ(gateway_.flows().at(0).at("state"), "syn_received");
  EXPECT_TRUE(gateway_.flows().at(0).at("upstream").is_null());
  client_.send(tcp(kClient, kPeer).seq(2).ack(8).build());
  ASSERT_TRUE(next(peer_).tcp_flags.ack());
  EXPECT_EQ(gateway_.flows().at(0).at("state"), "established");
}

// The client's SYN is held: nobody else would ever tell it.
TEST_F(Killed, FlowThatStillDialsIsRefused) {
  client_.send(tcp(kClient, std::string(host::kSilent4) + ":80").seq(1).syn().build());
  ASSERT_TRUE(eventually([&] { return gateway_.flows().size() == 1; }));
  kill_flow();
  const flows::Packet answer = next(client_);
  EXPECT_TRUE(answer.tcp_flags.rst());
  EXPECT_EQ(answer.acknowledgement, 2U);
}

// The SYN has entered the sandbox, the handshake's last segment has not come.
TEST_F(Killed, HelperResetsAFlowThatIsNotAcceptedYet) {
  const TcpServer server = TcpServer::echo();
  client_.send(tcp(kClient, server.endpoint().to_string()).seq(1).syn().build());
  ASSERT_TRUE(next(client_).tcp_flags.syn());
  ASSERT_EQ(gateway_.flows().at(0).at("state"), "syn_received");

  ::kill(gateway_.children().at(0), SIGKILL);

  const flows::Packet answer = next(client_);
  EXPECT_TRUE(answer.tcp_flags.rst());
  EXPECT_EQ(answer.acknowledgement, 2U);
  const auto end = the_end();
  EXPECT_EQ(end.at("reason"), "sandbox_lost");
  EXPECT_EQ(end.at("rtt_us"), 0);
}

}  // namespace
}  // namespace integration
