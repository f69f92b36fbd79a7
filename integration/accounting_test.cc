// The gateway's figures are the wire's: flowctl and the audit log against the tunnel's own counts.

#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/servers.h"

namespace integration {
namespace {

WireTally wire_of(const nlohmann::json& count) {
  return {count.at("packets").get<std::uint64_t>(), count.at("bytes").get<std::uint64_t>()};
}

bool is_tcp(const SeenPacket& packet) {
  return packet.headers.protocol == flows::Protocol::kTcp;
}
WireTally tcp_on_the_wire(const ClientNetwork& client, Direction direction) {
  return client.tally([direction](const SeenPacket& packet) {
    return is_tcp(packet) && packet.direction == direction;
  });
}

class Accounting : public testing::TestWithParam<bool> {
 protected:
  GatewayProcess gateway_{{.flows = kQuickTimeWait}};
  ClientNetwork client_{gateway_.onramp(), {.offload = GetParam()}};
};
INSTANTIATE_TEST_SUITE_P(Offload, Accounting, testing::Bool(),
                         [](const auto& tested) { return tested.param ? "Offload" : "MtuSized"; });

TEST_P(Accounting, FiguresOfALiveFlowEqualWhatTheWireCarried) {
  const TcpServer server = TcpServer::echo();
  TcpConnection connection = client_.connect(server.endpoint());
  connection.send(std::string(200'000, 'x'));
  EXPECT_EQ(connection.receive(200'000).size(), 200'000U);

  // The last ACK may still be on its way.
  EXPECT_TRUE(eventually([&] {
    const auto flow = gateway_.flows().at(0);
    return wire_of(flow.at("up")) == tcp_on_the_wire(client_, Direction::kUp) &&
           wire_of(flow.at("down")) == tcp_on_the_wire(client_, Direction::kDown);
  })) << gateway_.flows()
      << " up " << tcp_on_the_wire(client_, Direction::kUp) << " down "
      << tcp_on_the_wire(client_, Direction::kDown);
}

TEST_P(Accounting, AuditHasOneStartAndOneEndPerFlowWithTheWiresFigures) {
  constexpr std::size_t kFlows = 20;
  const TcpServer server = TcpServer::echo();
  for (std::size_t i = 0; i < kFlows; ++i) {
    TcpConnection connection = client_.connect(server.endpoint());
    connection.send(std::string(1'000 * i + 1, 'x'));
    connection.finish_sending();
    EXPECT_EQ(connection.receive_all().size(), 1'000 * i + 1);
  }
  EXPECT_EQ(client_.try_connect(closed_port()).value(), ECONNREFUSED);

  const auto ends = gateway_.wait_for_audit("flow_end", kFlows + 1);
  std::map<std::uint64_t, int> starts;
  std::map<std::uint64_t, int> ended;
  WireTally up;
  WireTally down;
  for (const auto& line : gateway_.audit()) {
    const auto id = line.at("id").get<std::uint64_t>();
    if (line.at("event") == "flow_start") {
      ++starts[id];
      continue;
    }
    ++ended[id];
    up.packets += wire_of(line.at("up")).packets;
    up.bytes += wire_of(line.at("up")).bytes;
    down.packets += wire_of(line.at("down")).packets;
    down.bytes += wire_of(line.at("down")).bytes;
  }
  EXPECT_EQ(starts.size(), kFlows + 1);
  EXPECT_EQ(starts, ended);
  for (const auto& [id, count] : starts) {
    EXPECT_EQ(count, 1) << "flow " << id;
  }
  EXPECT_EQ(up, tcp_on_the_wire(client_, Direction::kUp));
  EXPECT_EQ(down, tcp_on_the_wire(client_, Direction::kDown));
}

TEST(AuditLog, HasEveryFieldOfTheContract) {
  GatewayProcess gateway({.flows = kQuickTimeWait});
  ClientNetwork client(gateway.onramp());
  EXPECT_EQ(client.try_connect(closed_port()).value(), ECONNREFUSED);
  (void)gateway.wait_for_audit("flow_end", 1);
  for (const auto& line : gateway.audit()) {
    for (const auto* name :
         {"time", "id", "tenant", "tunnel", "protocol", "source", "destination", "action", "rule",
          "state", "age_ms", "idle_ms", "up", "down", "upstream"}) {
      EXPECT_TRUE(line.contains(name)) << name << " is missing in " << line;
    }
  }
  for (const auto* name : {"reason", "rtt_us", "retransmits"}) {
    EXPECT_TRUE(gateway.audit().back().contains(name)) << name;
  }
}

TEST(FlowTable, ShowsEveryFieldOfTheContract) {
  GatewayProcess gateway;
  ClientNetwork client(gateway.onramp(), {.name = "laptop-17"});
  const TcpServer server = TcpServer::echo(host::kServer6);
  TcpConnection connection = client.connect(server.endpoint());
  connection.send("x");
  EXPECT_EQ(connection.receive(1), "x");

  const auto flow = gateway.flows().at(0);

  EXPECT_EQ(flow.at("tenant"), "acme");
  EXPECT_EQ(flow.at("tunnel"), "laptop-17");
  EXPECT_EQ(flow.at("protocol"), "tcp");
  EXPECT_EQ(flow.at("source"), connection.local().to_string());
  EXPECT_EQ(flow.at("destination"), server.endpoint().to_string());
  EXPECT_EQ(flow.at("upstream"), server.endpoint().to_string());
  EXPECT_EQ(flow.at("action"), "upgrade");
  EXPECT_EQ(flow.at("rule"), "default");
  EXPECT_EQ(flow.at("state"), "established");
  EXPECT_GE(flow.at("age_ms"), flow.at("idle_ms"));
}

}  // namespace
}  // namespace integration
