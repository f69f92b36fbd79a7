// One flow, followed by its id through everything that speaks of flows.
//
//     client ==SEQPACKET==> gateway ==TCP==> server
//                              |
//       flowctl flow ID   events   audit log   log line   IPFIX record   capture   exemplar   API

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/servers.h"
#include "tests/support/ipfix_reader.h"

namespace integration {
namespace {

using nlohmann::json;
using test_support::IpfixReader;
using testing::HasSubstr;

constexpr std::uint16_t kFlowId = 148;  // IANA: flowId

// flowctl that goes on until it is told to stop.
Program flowctl(const GatewayProcess& gateway, Program::Words words) {
  words.insert(words.begin(), {flowctl_program(), "--socket", gateway.control()});
  return Program::start(words);
}

std::vector<std::uint64_t> ids_of(const UdpServer& collector) {
  std::vector<std::uint64_t> ids;
  IpfixReader reader;
  for (const UdpServer::Datagram& datagram : collector.received()) {
    const auto message = reader.read(std::as_bytes(std::span(datagram.payload)));
    for (const IpfixReader::Record& record : message.records) {
      ids.push_back(test_support::number(record, kFlowId));
    }
  }
  return ids;
}

TEST(FlowId, LeadsFromAnyPlaceToEveryOther) {
  const UdpServer collector = UdpServer::silent("127.0.0.1");
  GatewayProcess gateway(
      {.rules = "- {name: web, match: {protocol: tcp}, action: upgrade, log: true}",
       .flows = kQuickTimeWait,
       .more = "telemetry: {listen: '127.0.0.1:0', ipfix: {collector: '" +
               collector.endpoint().to_string() + "'}}\n"});
  const std::string file = gateway.file("web.pcapng");
  Program capture = flowctl(gateway, {"capture", "protocol=tcp", "-w", file});
  Program events = flowctl(gateway, {"--json", "events"});
  ASSERT_TRUE(eventually([&] {  // nothing says that it listens but an event
    TunnelConnection::open(gateway.onramp(), {.name = "bell", .addresses = {"100.64.9.9/32"}});
    return events.out().find("tunnel_open") != std::string::npos;
  }));
  ASSERT_TRUE(eventually([&] { return run({"test", "-s", file}).status == 0; }));

  const ClientNetwork client(gateway.onramp());
  const TcpServer server = TcpServer::echo();
  TcpConnection connection = client.connect(server.endpoint());
  connection.send("followed");
  EXPECT_EQ(connection.receive(8), "followed");
  const std::string id = gateway.flows().at(0).at("id").dump();
  const std::string destination = server.endpoint().to_string();
  EXPECT_EQ(gateway.flowctl({"flow", id}).at("destination"), destination);
  const std::string url = gateway.telemetry_url();
  EXPECT_THAT(run({"curl", "-sS", "-m", "10", url + "/api/flows"}).out, HasSubstr("\"id\":" + id));
  connection.close();

  // The audit log has both ends of it, and events are the same lines.
  for (const char* kind : {"flow_start", "flow_end"}) {
    const json line = gateway.wait_for_audit(kind, 1).at(0);
    EXPECT_EQ(line.at("id").dump(), id);
    EXPECT_EQ(line.at("destination"), destination);
    const std::string event = std::string("\"event\":\"") + kind + "\"";
    EXPECT_TRUE(eventually([&] { return events.out().find(event) != std::string::npos; }));
  }
  std::istringstream followed(events.out());
  std::size_t of_flow = 0;
  for (std::string line; std::getline(followed, line);) {
    const bool is_of_flow = line.find("\"id\":" + id + ",") != std::string::npos;
    of_flow += is_of_flow && line.find("\"event\":\"flow_") != std::string::npos ? 1U : 0U;
  }
  EXPECT_EQ(of_flow, 2U) << events.out();
  EXPECT_THAT(gateway.log(), testing::ContainsRegex("flow decided rule=web action=upgrade flow=" +
                                                    id + " .*destination=" + destination));
  // The collector.
  EXPECT_TRUE(eventually([&] {
    return ids_of(collector) == std::vector<std::uint64_t>{std::stoull(id)};
  })) << testing::PrintToString(ids_of(collector));
  // A metric: each histogram of flows has it as the exemplar of a bucket.
  const std::string metrics =
      run({"curl", "-sS", "-m", "10", "-H", "Accept: application/openmetrics-text; version=1.0.0",
           url + "/metrics"})
          .out;
  for (const char* histogram :
       {"dial_seconds", "flow_duration_seconds", "client_rtt_seconds", "flow_bytes"}) {
    EXPECT_THAT(metrics,
                testing::ContainsRegex(std::string("liftgate_") + histogram +
                                       "_bucket\\{[^\n]* 1 # \\{flow_id=\"" + id + "\"\\} "));
  }
  // The capture.
  capture.signal(SIGINT);
  EXPECT_EQ(capture.wait().status, 0);
  const Finished packets = run({"tshark", "-r", file, "-n", "-T", "fields", "-e", "frame.comment"},
                               60s, {.environment = {"HOME=/tmp"}});
  EXPECT_EQ(packets.status, 0) << packets;
  std::istringstream comments(packets.out);
  std::size_t seen = 0;
  for (std::string comment; std::getline(comments, comment); ++seen) {
    EXPECT_THAT(comment, testing::StartsWith("flow=" + id + " tenant=acme "));
  }
  EXPECT_GE(seen, 8U) << packets;
}

}  // namespace
}  // namespace integration
