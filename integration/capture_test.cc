// `flowctl capture`: what a tunnel carries of its flows, as a file that Wireshark opens; totals
// agree with the flow table, and the traffic waits for nobody.
//
//     client ==SEQPACKET==> gateway ==TCP==> server
//                              |
//                              +--shared memory--> flowctl capture -w FILE --> tshark -r FILE

#include <csignal>
#include <regex>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/servers.h"

namespace integration {
namespace {

using nlohmann::json;
using testing::HasSubstr;

Program capture(const GatewayProcess& gateway, const Program::Words& words) {
  Program::Words all = {flowctl_program(), "--socket", gateway.control(), "capture"};
  all.insert(all.end(), words.begin(), words.end());
  return Program::start(all);
}

// The file's head is written when the capture has begun.
void wait_until_it_runs(const std::string& file) {
  EXPECT_TRUE(eventually([&] { return run({"test", "-s", file}).status == 0; }));
}

struct Summary {
  std::uint64_t captured = 0;
  std::uint64_t dropped = 0;
};
Summary stop(Program program, int signal = SIGINT) {
  program.signal(signal);
  const Finished finished = program.wait();
  EXPECT_EQ(finished.status, 0) << finished;
  static const std::regex kSummary("([0-9]+) packets captured, ([0-9]+) dropped");
  std::smatch found;
  EXPECT_TRUE(std::regex_search(finished.err, found, kSummary)) << finished;
  return found.empty() ? Summary{} : Summary{std::stoull(found[1]), std::stoull(found[2])};
}

// One line for each packet that `filter` lets through.
std::vector<std::vector<std::string>> packets_in(const std::string& file, const std::string& filter,
                                                 const std::vector<std::string>& fields) {
  Program::Words words = {"tshark", "-r",
                          file,     "-n",
                          "-o",     "tcp.check_checksum:TRUE",
                          "-o",     "ip.check_checksum:TRUE",
                          "-T",     "fields"};
  for (const std::string& field : fields) {
    words.insert(words.end(), {"-e", field});
  }
  if (!filter.empty()) {
    words.insert(words.end(), {"-Y", filter});
  }
  const Finished finished = run(words, 60s, {.environment = {"HOME=/tmp"}});
  EXPECT_EQ(finished.status, 0) << finished;
  std::vector<std::vector<std::string>> packets;
  std::istringstream lines(finished.out);
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string>& packet = packets.emplace_back();
    std::istringstream columns(line);
    for (std::string column; std::getline(columns, column, '\t');) {
      packet.push_back(column);
    }
  }
  return packets;
}

WireTally tally_of(const std::string& file, const std::string& filter) {
  WireTally tally;
  for (const auto& packet : packets_in(file, filter, {"frame.len"})) {
    ++tally.packets;
    tally.bytes += std::stoull(packet.at(0));
  }
  return tally;
}
WireTally tally_in(const json& count) {
  return {.packets = count.at("packets"), .bytes = count.at("bytes")};
}

TcpServer http(const std::string& bytes) {
  return TcpServer::program(
      {"bash", "-c",
       R"(while IFS= read -r line && [ "$line" != $'\r' ]; do :; done; printf 'HTTP/1.1 200 OK\r\nContent-Length: )" +
           bytes + R"(\r\nConnection: close\r\n\r\n'; yes 'liftgate carries this' | head -c )" +
           bytes});
}

struct Path {
  const char* name;
  bool offload;
};
class Capture : public testing::TestWithParam<Path> {};
void PrintTo(const Path& path, std::ostream* stream) {
  *stream << path.name;
}
INSTANTIATE_TEST_SUITE_P(Paths, Capture,
                         testing::Values(Path{"Mtu1400", false}, Path{"Offload", true}),
                         [](const auto& tested) { return tested.param.name; });

// With offload the tunnel carries super-segments and partial checksums; the file has what the wire
// has.
TEST_P(Capture, OfACurlAgreesWithItsFlowPacketForPacket) {
  const GatewayProcess gateway({.flows = kQuickTimeWait});
  const std::string file = gateway.file("web.pcapng");
  Program program = capture(gateway, {"protocol=tcp", "-w", file});
  wait_until_it_runs(file);
  const TcpServer server = http("300000");
  const ClientNetwork client(gateway.onramp(),
                             {.name = "laptop-17", .offload = GetParam().offload});
  const Finished curl = client.run(
      {"curl", "-sS", "-o", "/dev/null", "-w", "%{size_download}", url_of(server.endpoint())});
  EXPECT_EQ(curl.out, "300000") << curl;
  const json end = gateway.wait_for_audit("flow_end", 1).front();
  const Summary summary = stop(std::move(program));

  EXPECT_EQ(summary.dropped, 0U);
  const std::string flow = "flow=" + end.at("id").dump() + " tenant=acme tunnel=laptop-17";
  const auto by_direction = [&](const std::string& direction) {
    return tally_of(file, "frame.comment == \"" + flow + " direction=" + direction + "\"");
  };
  EXPECT_EQ(by_direction("up"), tally_in(end.at("up")));
  EXPECT_EQ(by_direction("down"), tally_in(end.at("down")));
  EXPECT_EQ(summary.captured, tally_of(file, "").packets);
  EXPECT_EQ(tally_of(file, "frame.packet_flags_direction == 1"), tally_in(end.at("up")));
  EXPECT_EQ(tally_of(file, "frame.packet_flags_direction == 2"), tally_in(end.at("down")));
  EXPECT_EQ(tally_of(file, "tcp.checksum.status == 1 && ip.checksum.status == 1"),
            tally_of(file, ""));
  EXPECT_TRUE(
      packets_in(file, "tcp.analysis.lost_segment || _ws.malformed", {"frame.len"}).empty());
  EXPECT_EQ(tally_of(file, "frame.interface_name == \"liftgate\""), tally_of(file, ""));
}

TEST(CaptureFilter, ChoosesBeforeTheFileAndCountAndLengthLimitIt) {
  const GatewayProcess gateway({.audit = ""});
  const std::string file = gateway.file("some.pcapng");
  const TcpServer server = TcpServer::echo();
  const TcpServer other = TcpServer::echo(host::kOtherServer4);
  Program program =
      capture(gateway, {"-w", file, "destination=192.0.2.2", "--count", "4", "--snaplen=40"});
  wait_until_it_runs(file);
  const ClientNetwork client(gateway.onramp());
  for (const TcpServer* to : {&server, &other}) {
    TcpConnection connection = client.connect(to->endpoint());
    connection.send(std::string(3'000, 'x'));
    EXPECT_EQ(connection.receive(3'000).size(), 3'000U);
  }
  const Finished finished = program.wait();
  EXPECT_EQ(finished.status, 0) << finished;
  EXPECT_EQ(finished.err, "flowctl: 4 packets captured, 0 dropped for want of room\n");
  const auto packets = packets_in(file, "", {"ip.addr", "frame.cap_len", "frame.len"});
  ASSERT_EQ(packets.size(), 4U);
  for (const auto& packet : packets) {
    EXPECT_THAT(packet.at(0), HasSubstr("192.0.2.2"));
    EXPECT_EQ(packet.at(1), "40");
    EXPECT_GT(std::stoi(packet.at(2)), 40);
  }
}

TEST(CaptureFilter, WritesToAPipeThatTsharkReads) {
  const GatewayProcess gateway;
  Program pipe = Program::start(
      {"sh", "-c",
       flowctl_program() + " --socket " + gateway.control() +
           " capture protocol=udp --count 2 -w - | tshark -l -n -r - -T fields -e udp.dstport"},
      {.environment = {"HOME=/tmp"}});
  const UdpServer server = UdpServer::echo();
  const ClientNetwork client(gateway.onramp());
  EXPECT_TRUE(eventually([&] {
    client.run({"sh", "-c", "echo x | socat -t0.05 - UDP:" + server.endpoint().to_string()});
    return !pipe.is_running();
  }));
  const Finished finished = pipe.wait();
  EXPECT_THAT(finished.out, HasSubstr(std::to_string(server.port()) + "\n")) << finished;
  EXPECT_THAT(finished.err, HasSubstr("2 packets captured"));
}

TEST(CaptureUsage, SaysWhatItNeedsAndWhatWentWrong) {
  const GatewayProcess gateway;
  const auto error_of = [&](Program::Words words, int status) {
    words.insert(words.begin(), "capture");
    const Finished finished = gateway.run_flowctl(words);
    EXPECT_EQ(finished.status, status) << finished;
    return finished.err;
  };
  EXPECT_THAT(error_of({}, 2), HasSubstr("capture needs -w FILE"));
  EXPECT_THAT(error_of({"-w", gateway.file("x"), "portt=1"}, 2), HasSubstr("unknown key 'portt'"));
  EXPECT_THAT(error_of({"-w", gateway.file("no/such/directory")}, 1), HasSubstr("No such file"));
  EXPECT_THAT(error_of({"-w", "/dev/full"}, 1), HasSubstr("write to /dev/full: No space left"));
}

TEST(CaptureEnd, OfTheGatewayKeepsWhatWasThere) {
  GatewayProcess gateway;
  const std::string file = gateway.file("all.pcapng");
  Program program = capture(gateway, {"-w", file});
  wait_until_it_runs(file);
  const TcpServer server = TcpServer::echo();
  const ClientNetwork client(gateway.onramp());
  TcpConnection connection = client.connect(server.endpoint());
  connection.send("x");
  EXPECT_EQ(connection.receive(1), "x");
  gateway.stop();
  const Finished finished = program.wait();
  EXPECT_EQ(finished.status, 0) << finished;
  EXPECT_THAT(finished.err, HasSubstr("the gateway has ended; "));
}

// The ring is 16 MiB; the transfer is many times that.
TEST(CaptureStandsStill, AndTheTransferDoesNot) {
  const GatewayProcess gateway({.flows = kQuickTimeWait});
  const std::string file = gateway.file("stopped.pcapng");
  Program program = capture(gateway, {"-w", file});
  wait_until_it_runs(file);
  program.signal(SIGSTOP);
  const TcpServer server = http("100000000");
  const ClientNetwork client(gateway.onramp(), {.offload = true});
  const Finished there =
      run({"sh", "-c", "yes 'liftgate carries this' | head -c 100000000 | sha256sum"}, 60s);
  const Finished here =
      client.run({"sh", "-c", "curl -sS '" + url_of(server.endpoint()) + "' | sha256sum"}, 60s);
  EXPECT_EQ(here.out, there.out) << here;
  const json end = gateway.wait_for_audit("flow_end", 1).front();

  program.signal(SIGCONT);
  const Summary summary = stop(std::move(program));
  EXPECT_GT(summary.dropped, 1'000U);
  EXPECT_EQ(summary.captured + summary.dropped,
            end.at("up").at("packets").get<std::uint64_t>() +
                end.at("down").at("packets").get<std::uint64_t>());
  const Finished info = run({"capinfos", "-c", "-M", file}, 60s, {.environment = {"HOME=/tmp"}});
  EXPECT_THAT(info.out, HasSubstr(std::to_string(summary.captured))) << info;
}

}  // namespace
}  // namespace integration
