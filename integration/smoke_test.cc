// The whole way, once: a client behind a tunnel, the real gateway, a server on the host network.
//
//     curl, ssh, a socket    [client sandbox]
//          | TUN, pump
//          | SEQPACKET
//     liftgate serve --- NAT --- [gateway's sandbox: kernel TCP] --- relay ---> 192.0.2.1,
//     2001:db8::1

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/servers.h"

namespace integration {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

TcpServer web_server(const std::string& address) {
  return TcpServer(
      [](TcpConnection& connection, Served&) {
        std::string request;
        while (request.find("\r\n\r\n") == std::string::npos) {
          request += connection.receive(1);
        }
        connection.send("HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n");
      },
      address);
}

class Smoke : public testing::TestWithParam<std::string> {
 protected:
  const std::string server_address_ = GetParam();
};
INSTANTIATE_TEST_SUITE_P(Families, Smoke, testing::Values(host::kServer4, host::kServer6),
                         [](const auto& tested) {
                           return tested.param == host::kServer4 ? "IPv4" : "IPv6";
                         });

TEST_P(Smoke, CurlFetchesAPageThroughTheGateway) {
  const TcpServer server = web_server(server_address_);
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());

  const Finished curl = client.run({"curl", "-sS", "-g", url_of(server.endpoint())});

  EXPECT_EQ(curl.status, 0) << curl;
  EXPECT_EQ(curl.out, "hello\n");
}

TEST_P(Smoke, BytesPassUnchangedBothWaysAndHalfClose) {
  const TcpServer server = TcpServer::echo(server_address_);
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());
  const std::string sent(100'000, 'x');

  TcpConnection connection = client.connect(server.endpoint());
  connection.send(sent);
  connection.finish_sending();

  EXPECT_TRUE(connection.receive_all() == sent);
  EXPECT_EQ(server.wait_for_connection(0).end, End::kFin);
}

TEST_P(Smoke, RefusalReachesTheClient) {
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());

  EXPECT_EQ(client.try_connect(closed_port(server_address_)).value(), ECONNREFUSED);
}

TEST(SmokeAudit, TellsOfEachFlowOnceWithWhatTheWireCarried) {
  const TcpServer server = TcpServer::echo();
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());
  {
    TcpConnection connection = client.connect(server.endpoint());
    connection.send("hello");
    EXPECT_EQ(connection.receive(5), "hello");
    connection.finish_sending();
    EXPECT_EQ(connection.wait_for_end(), End::kFin);
  }

  const auto end = gateway.wait_for_audit("flow_end", 1).front();

  EXPECT_EQ(gateway.wait_for_audit("flow_start", 1).size(), 1U);
  EXPECT_EQ(end.at("tenant"), "acme");
  EXPECT_EQ(end.at("destination"), server.endpoint().to_string());
  EXPECT_EQ(end.at("up").at("packets"), client.up().packets) << end;
  EXPECT_EQ(end.at("up").at("bytes"), client.up().bytes) << end;
  EXPECT_EQ(end.at("down").at("packets"), client.down().packets) << end;
  EXPECT_EQ(end.at("down").at("bytes"), client.down().bytes) << end;
}

TEST(SmokeRefusal, TunnelOfAnUnknownTenantIsToldWhy) {
  const GatewayProcess gateway;
  TunnelOptions options;
  options.tenant = "nobody";

  const auto tunnel = TunnelConnection::open(gateway.onramp(), options);

  EXPECT_EQ(tunnel.reply().at("ok"), false);
  EXPECT_THAT(tunnel.reply().at("error").get<std::string>(), HasSubstr("nobody"));
  EXPECT_TRUE(tunnel.is_closed_by_gateway());
}

TEST(SmokeShutdown, LeavesNothingBehindWithConnectionsOpen) {
  const TcpServer server = TcpServer::holding();
  GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());
  const TcpConnection connection = client.connect(server.endpoint());
  EXPECT_THAT(gateway.children(), testing::Not(IsEmpty())) << "its sandbox's helper";

  gateway.stop();

  EXPECT_TRUE(client.wait_for_gateway_to_close());
}

TEST(SmokeShutdown, LeavesNoProcessBehindWhenItIsKilled) {
  GatewayProcess gateway;

  gateway.kill();
}

}  // namespace
}  // namespace integration
