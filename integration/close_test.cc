// How a connection ends on one side is how it ends on the other.
//
//     client network ==SEQPACKET==> gateway ==TCP==> server on the host network

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/servers.h"

namespace integration {
namespace {

// Each test over both families: the sandbox's kernel has two listeners and two sets of addresses.
class Close : public testing::TestWithParam<std::string> {
 protected:
  GatewayProcess gateway_{{.flows = kQuickTimeWait}};
  ClientNetwork client_{gateway_.onramp()};

  // The reason that the audit log gives for the only flow.
  std::string reason() { return gateway_.wait_for_audit("flow_end", 1).front().at("reason"); }
};
INSTANTIATE_TEST_SUITE_P(Families, Close, testing::Values(host::kServer4, host::kServer6),
                         [](const auto& tested) {
                           return tested.param == host::kServer4 ? "V4" : "V6";
                         });

TEST_P(Close, FinsBothWaysCloseBothEnds) {
  const TcpServer server = TcpServer::echo(GetParam());
  TcpConnection connection = client_.connect(server.endpoint());
  connection.send("hello");
  connection.finish_sending();
  EXPECT_EQ(connection.receive_all(), "hello");
  EXPECT_EQ(server.wait_for_connection(0).end, End::kFin);
  EXPECT_EQ(reason(), "closed");
}

TEST_P(Close, ClientThatHalfClosesGetsAnAnswerMadeAfterItsFin) {
  const TcpServer server = TcpServer::answer_after_end(GetParam());
  TcpConnection connection = client_.connect(server.endpoint());
  connection.send("the whole question");
  connection.finish_sending();
  EXPECT_EQ(connection.receive_all(), "the whole question");
  EXPECT_EQ(reason(), "closed");
}

TEST_P(Close, ServerThatHalfClosesStillHearsTheClient) {
  const TcpServer server = TcpServer::half_closing("bye", GetParam());
  TcpConnection connection = client_.connect(server.endpoint());
  EXPECT_EQ(connection.receive_all(), "bye");
  connection.send(std::string(100'000, 'x'));
  connection.finish_sending();
  const Served served = server.wait_for_connection(0);
  EXPECT_EQ(served.received_bytes, 100'000U);
  EXPECT_EQ(served.end, End::kFin);
  EXPECT_EQ(reason(), "closed");
}

TEST_P(Close, ResetByTheClientIsAResetForTheServer) {
  const TcpServer server = TcpServer::echo(GetParam());
  TcpConnection connection = client_.connect(server.endpoint());
  connection.send("x");
  EXPECT_EQ(connection.receive(1), "x");
  connection.reset();
  EXPECT_EQ(server.wait_for_connection(0).end, End::kReset);
  EXPECT_EQ(reason(), "reset_by_client");
}

TEST_P(Close, ResetByTheServerIsAResetForTheClient) {
  const TcpServer server = TcpServer::resetting(1, GetParam());
  TcpConnection connection = client_.connect(server.endpoint());
  connection.send("x");
  EXPECT_EQ(connection.wait_for_end(), End::kReset);
  EXPECT_EQ(reason(), "reset_by_upstream");
}

// A client that closes with bytes unread sends an RST for what comes after: the server learns that
// nobody listens any more.
TEST_P(Close, ClientThatGoesAwayInTheMiddleOfADownloadStopsTheServer) {
  const TcpServer server = TcpServer::source(1ULL << 30U, GetParam());
  {
    TcpConnection connection = client_.connect(server.endpoint());
    EXPECT_EQ(connection.receive(100'000).size(), 100'000U);
  }
  EXPECT_TRUE(server.wait_for_connection(0).finished);  // long before it had sent everything
  EXPECT_EQ(reason(), "reset_by_client");
}

TEST_P(Close, KilledFlowIsResetAtBothEnds) {
  const TcpServer server = TcpServer::echo(GetParam());
  TcpConnection connection = client_.connect(server.endpoint());
  connection.send("x");
  EXPECT_EQ(connection.receive(1), "x");
  const auto flows = gateway_.flows();
  ASSERT_EQ(flows.size(), 1U) << flows;

  EXPECT_EQ(gateway_.run_flowctl({"kill", flows[0].at("id").dump()}).status, 0);

  EXPECT_EQ(connection.wait_for_end(), End::kReset);
  EXPECT_EQ(server.wait_for_connection(0).end, End::kReset);
  EXPECT_EQ(reason(), "killed");
  EXPECT_GT(gateway_.wait_for_audit("flow_end", 1).front().at("rtt_us"), 0);
}

}  // namespace
}  // namespace integration
