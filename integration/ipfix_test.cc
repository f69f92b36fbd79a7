// Flow records as a collector of somebody else's reads them: nfcapd, of nfdump.
//
//   client ==SEQPACKET==> gateway ~~~~~> servers
//                            | IPFIX over UDP
//                            v
//                          nfcapd ----> files ----> nfdump

#include <filesystem>
#include <map>

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/must.h"
#include "integration/support/servers.h"
#include "tests/support/temp_directory.h"

namespace integration {
namespace {

using nlohmann::json;

// nfcapd on a port that was free a moment ago: it cannot be told to choose one.
class Collector {
 public:
  Collector() {
    const UdpServer free = UdpServer::silent("127.0.0.1");
    port_ = free.port();
    std::filesystem::create_directory(directory_.file("flows"));
  }
  void start() {
    program_.emplace(Program::start({"nfcapd", "-b", "127.0.0.1", "-p", std::to_string(port_), "-w",
                                     directory_.file("flows")}));
    ASSERT_TRUE(eventually([&] { return said().find("Startup") != std::string::npos; })) << said();
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string said() const { return program_->out() + program_->err(); }

  // Ends it, so that it writes what it has; what nfdump makes of that.
  json stop() {
    program_->signal(SIGTERM);
    summary_ = program_->wait();
    const Finished read = run({"nfdump", "-R", directory_.file("flows"), "-o", "json"});
    EXPECT_EQ(read.status, 0) << read;
    return json::parse(read.out, nullptr, false);
  }
  [[nodiscard]] std::string summary() const { return summary_.out + summary_.err; }

 private:
  test_support::TempDirectory directory_;
  std::uint16_t port_ = 0;
  std::optional<Program> program_;
  Finished summary_;
};

TEST(Ipfix, NfdumpsTotalsAreThoseOfTheAuditLog) {
  Collector collector;
  collector.start();
  GatewayProcess gateway({.flows = kQuickTimeWait,
                          .more = "telemetry: {ipfix: {collector: '127.0.0.1:" +
                                  std::to_string(collector.port()) + "', domain: 42}}\n"});
  const ClientNetwork client(gateway.onramp());
  const TcpServer v4 = TcpServer::echo();
  const TcpServer v6 = TcpServer::echo(host::kServer6);
  constexpr std::size_t kFlows = 40;
  for (std::size_t i = 0; i < kFlows; ++i) {
    TcpConnection connection = client.connect((i % 2 == 0 ? v4 : v6).endpoint());
    connection.send(std::string(1000 * i, 'x'));
    connection.receive(1000 * i);
    connection.close();
  }
  const auto ends = gateway.wait_for_audit("flow_end", kFlows);
  EXPECT_TRUE(eventually([&] { return gateway.flowctl({"stats"}).at("ipfix_sent") == kFlows; }));
  EXPECT_EQ(gateway.flowctl({"stats"}).at("ipfix_lost"), 0);
  gateway.stop();  // sends what waits still

  std::map<std::uint64_t, json> audited;  // by source port
  std::uint64_t bytes = 0;
  std::uint64_t packets = 0;
  for (const json& end : ends) {
    const std::string source = end.at("source");
    audited[std::stoul(source.substr(source.rfind(':') + 1))] = end;
    for (const char* way : {"up", "down"}) {
      bytes += end.at(way).at("bytes").get<std::uint64_t>();
      packets += end.at(way).at("packets").get<std::uint64_t>();
    }
  }
  const json records = collector.stop();
  ASSERT_EQ(records.size(), kFlows) << collector.summary();
  for (const json& record : records) {
    const json& end = audited.at(record.at("src_port"));
    EXPECT_EQ(record.at("in_bytes"), end.at("up").at("bytes"));
    EXPECT_EQ(record.at("in_packets"), end.at("up").at("packets"));
    EXPECT_EQ(record.at("out_bytes"), end.at("down").at("bytes"));
    EXPECT_EQ(record.at("out_packets"), end.at("down").at("packets"));
    EXPECT_EQ(record.at("ingress_vrf"), "1001");
    EXPECT_EQ(record.at("proto"), 6);
  }
  const std::string expected =
      "Flows: " + std::to_string(kFlows) + ", Packets: " + std::to_string(packets) +
      ", Bytes: " + std::to_string(bytes) + ", Sequence Errors: 0, Bad Packets: 0";
  EXPECT_NE(collector.summary().find(expected), std::string::npos) << expected << "\n"
                                                                   << collector.summary();
}

}  // namespace
}  // namespace integration
