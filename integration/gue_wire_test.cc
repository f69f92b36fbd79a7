// GUE as others read it: what the gateway sends, captured on the wire and taken apart by tshark.
//
//     curl, ping, sockets [client sandbox, MTU 1400]
//          | TUN, pump
//     GuePeer 10.66.0.2:6080 ==UDP: GUE== cable, dumpcap ==> wire0 10.66.0.1:6080 liftgate serve
//     [machine sandbox]                                                   |
//                                                         servers on 192.0.2.1, 2001:db8::1
//
// The same over IPv6: fd66::2 to fd66::1. tshark has no dissector for GUE, so that ours comes with
// the test (support/gue.lua); IP, TCP, UDP and ICMP are tshark's own, checksums and all.

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/gue_peer.h"
#include "integration/support/must.h"
#include "integration/support/servers.h"
#include "integration/support/udp_client.h"
#include "integration/support/wire.h"
#include "tests/support/packet_builder.h"

namespace integration {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using Values = std::vector<std::string>;

GatewayConfig config() {
  const std::string peers =
      "[{prefix: 10.66.0.0/24, tenant: acme, may_name: [other]},"
      " {prefix: 'fd66::/64', tenant: acme, may_name: [other]}]";
  GatewayConfig config;
  config.onramps = "\n  - gue: {listen: '" + Wire::kHost4 + ":6080', peers: " + peers +
                   "}\n  - gue: {listen: '[" + Wire::kHost6 + "]:6080', peers: " + peers +
                   "}\n  - seqpacket: {path: '{dir}/onramp.sock'}";
  config.tenants =
      "\n  - {name: acme, id: 1001, routes: [{prefix: 10.9.0.0/16, gue: 10.66.0.2}]}"
      "\n  - {name: other, id: 1002}";
  return config;
}

// Every field that a test asks for.
const std::vector<std::string> kFields = {
    "ip.src",      "ip.dst",      "ip.ttl",      "ip.checksum.status",
    "ipv6.src",    "ipv6.dst",    "udp.srcport", "udp.dstport",
    "udp.length",  "tcp.srcport", "tcp.dstport", "udp.checksum.status",
    "icmp.type",   "icmpv6.type", "tcp.len",     "tcp.checksum.status",
    "icmp.ident",  "gue.variant", "gue.control", "icmp.checksum.status",
    "gue.hlen",    "gue.proto",   "gue.flags",   "icmpv6.checksum.status",
    "gue.private",
};

struct Way {
  std::string name;
  bool outer_v4;
  bool bare;
  std::optional<std::uint32_t> tenant;
};
void PrintTo(const Way& way, std::ostream* stream) {
  *stream << way.name;
}

class GueWire : public testing::TestWithParam<Way> {
 protected:
  GuePeerOptions peer_options() const {
    const bool v4 = GetParam().outer_v4;
    return {.outer = v4 ? Wire::kMachine4 : Wire::kMachine6,
            .gateway = {address(v4 ? Wire::kHost4 : Wire::kHost6), base::Port{6080}},
            .bare = GetParam().bare,
            .tenant = GetParam().tenant,
            .machine = &wire_.machine()};
  }

  Wire wire_;
  GatewayProcess gateway_{config()};
  GuePeer peer_{peer_options()};
  ClientNetwork client_{peer_.tunnel(), {}};
};
INSTANTIATE_TEST_SUITE_P(Ways, GueWire,
                         testing::Values(Way{"HeaderOverIPv4", true, false, {}},
                                         Way{"HeaderOverIPv6", false, false, {}},
                                         Way{"PrivateDataOverIPv4", true, false, 1002},
                                         Way{"PrivateDataOverIPv6", false, false, 1002},
                                         Way{"BareOverIPv4", true, true, {}},
                                         Way{"BareOverIPv6", false, true, {}}),
                         [](const auto& tested) { return tested.param.name; });

// The values of both families, outermost first: an outer IPv4 header and an inner IPv6 one, or the
// other way round, are two fields.
Values both(const Capture::Row& row, bool outer_v4, const std::string& field) {
  const std::string four = "ip." + field;
  const std::string six = "ipv6." + field;
  Values values = row.at(outer_v4 ? four : six);
  const Values inner = row.at(outer_v4 ? six : four);
  values.insert(values.end(), inner.begin(), inner.end());
  return values;
}

void expect_header(const Capture::Row& row, const Way& way, bool inner_v4) {
  EXPECT_THAT(row.at("gue.variant"), ElementsAre(way.bare ? "1" : "0"));
  if (way.bare) {
    for (const auto* field : {"gue.control", "gue.hlen", "gue.proto", "gue.flags", "gue.private"}) {
      EXPECT_THAT(row.at(field), IsEmpty()) << field;
    }
    return;
  }
  EXPECT_THAT(row.at("gue.control"), ElementsAre("0"));
  EXPECT_THAT(row.at("gue.proto"), ElementsAre(inner_v4 ? "4" : "41"));
  EXPECT_THAT(row.at("gue.flags"), ElementsAre("0x0000"));
  EXPECT_THAT(row.at("gue.hlen"), ElementsAre(way.tenant ? "2" : "0"));
  if (way.tenant) {
    EXPECT_THAT(row.at("gue.private"), ElementsAre("4c470100000003ea"));
  } else {
    EXPECT_THAT(row.at("gue.private"), IsEmpty());
  }
}

// Of headers that an ICMP error quotes tshark looks at no checksum.
void expect_good_checksums(const Capture::Row& row) {
  constexpr auto kGood = "1";
  const bool quotes = !row.at("icmp.type").empty() || !row.at("icmpv6.type").empty();
  std::size_t looked_at = 0;
  for (const auto* field : {"ip.checksum.status", "tcp.checksum.status", "icmp.checksum.status",
                            "icmpv6.checksum.status", "udp.checksum.status"}) {
    Values statuses = row.at(field);
    if (quotes && field == std::string("udp.checksum.status")) {
      statuses.resize(1);
    }
    EXPECT_THAT(statuses, Each(kGood)) << field;
    looked_at += statuses.size();
  }
  EXPECT_GE(looked_at, 2U) << "the outer datagram's, and one inside";
}

TEST_P(GueWire, TsharkReadsWhatTheDraftSays) {
  const Way& way = GetParam();
  const TcpServer source4 = TcpServer::source(200'000, host::kServer4);
  const TcpServer source6 = TcpServer::source(200'000, host::kServer6);
  const auto answer = [](const std::string& asked, const base::Endpoint&) { return "to " + asked; };
  const UdpServer echo4(answer, host::kServer4);
  const UdpServer echo6(answer, host::kServer6);
  Capture capture("udp port 6080");

  std::set<std::string> tcp_ports;
  for (const TcpServer* source : {&source4, &source6}) {
    TcpConnection connection = client_.connect(source->endpoint());
    tcp_ports.insert(std::to_string(number(connection.local().port)));
    EXPECT_EQ(connection.receive_all().size(), 200'000U);
    connection.finish_sending();
  }
  for (const std::string& server : {host::kServer4, host::kServer6}) {
    const Finished ping = client_.run({"ping", "-c2", "-i0.1", "-s200", "-e4242", server});
    EXPECT_EQ(ping.status, 0) << ping;
    const int family = address(server).is_v4() ? AF_INET : AF_INET6;
    const UdpClient nobody(client_, family);
    const base::Endpoint closed = closed_port(server);
    nobody.connect(closed);
    EXPECT_EQ(nobody.ask(closed, "anybody?").error, ECONNREFUSED);
  }
  const UdpClient client4(client_);
  const UdpClient client6(client_, AF_INET6);
  EXPECT_EQ(client4.ask(echo4.endpoint(), "you").payload, "to you");
  EXPECT_EQ(client6.ask(echo6.endpoint(), "the end of it").payload, "to the end of it");
  capture.stop_after("to the end of it");

  const std::string own = way.outer_v4 ? Wire::kHost4 : Wire::kHost6;
  const std::string machine = way.outer_v4 ? Wire::kMachine4 : Wire::kMachine6;
  std::uint64_t sent = 0;
  std::map<std::string, int> kinds;
  for (const Capture::Row& row : capture.read(kFields)) {
    const Values sources = both(row, way.outer_v4, "src");
    const Values destinations = both(row, way.outer_v4, "dst");
    ASSERT_GE(sources.size(), 2U) << "an IP header in an IP header";
    if (sources[0] != own) {
      continue;  // what the peer sends
    }
    SCOPED_TRACE("datagram " + std::to_string(++sent));
    EXPECT_EQ(destinations[0], machine);
    EXPECT_EQ(row.at("udp.srcport").front(), "6080");
    EXPECT_EQ(row.at("udp.dstport").front(), "6080");
    const bool inner_v4 = address(sources[1]).is_v4();
    expect_header(row, way, inner_v4);
    expect_good_checksums(row);
    EXPECT_EQ(destinations[1], inner_v4 ? "100.64.0.2" : "fd00:64::2");
    if (!row.at("tcp.srcport").empty()) {
      EXPECT_EQ(sources[1], inner_v4 ? host::kServer4 : host::kServer6);
      EXPECT_THAT(row.at("tcp.srcport"),
                  ElementsAre(std::to_string((inner_v4 ? source4 : source6).port())));
      ASSERT_THAT(row.at("tcp.dstport"), testing::SizeIs(1));
      EXPECT_TRUE(tcp_ports.contains(row.at("tcp.dstport").front()));
      ++kinds["tcp"];
      kinds["tcp bytes"] += std::stoi(row.at("tcp.len").front());
    } else if (!row.at("icmp.type").empty()) {
      ++kinds["icmp " + row.at("icmp.type").front()];
    } else if (!row.at("icmpv6.type").empty()) {
      ++kinds["icmpv6 " + row.at("icmpv6.type").front()];
    } else {
      EXPECT_EQ(sources[1], inner_v4 ? host::kServer4 : host::kServer6);
      const UdpServer& echo = inner_v4 ? echo4 : echo6;
      EXPECT_EQ(row.at("udp.srcport").back(), std::to_string(echo.port()));
      EXPECT_EQ(row.at("udp.length").back(), std::to_string(8 + (inner_v4 ? 6 : 16)));
      ++kinds["udp"];
    }
  }
  EXPECT_EQ(kinds["icmp 0"], 2);
  EXPECT_EQ(kinds["icmpv6 129"], 2);
  EXPECT_EQ(kinds["icmp 3"], 1) << "nobody is at that port";
  EXPECT_EQ(kinds["icmpv6 1"], 1);
  EXPECT_EQ(kinds["udp"], 2);
  EXPECT_GE(kinds["tcp bytes"], 400'000);
  EXPECT_EQ(sent, client_.down().packets) << "what was captured is what came";
}

// The way out: what a tunnel sends by a route to a GUE peer.
TEST(GueWireRoute, ForwardedPacketsAreWholeAndOneHopOlder) {
  const Wire wire;
  const GatewayProcess gateway(config());
  const auto tunnel = TunnelConnection::open(gateway.onramp(), {.addresses = {"100.64.0.7/32"}});
  gateway.wait_for_tunnels(2);
  Capture capture("udp port 6080");
  tunnel.send(test_support::tcp("100.64.0.7:7", "10.9.0.7:80").syn().mss(9000).ttl(9).build());
  tunnel.send(
      test_support::udp("100.64.0.7:7", "10.9.0.7:8").payload("the last one").ttl(7).build());
  capture.stop_after("the last one");

  const auto rows = capture.read(kFields);
  ASSERT_EQ(rows.size(), 2U);
  for (const Capture::Row& row : rows) {
    expect_header(row, {"", true, false, {}}, true);
    EXPECT_THAT(row.at("ip.src"), ElementsAre(Wire::kHost4, "100.64.0.7"));
    EXPECT_THAT(row.at("ip.dst"), ElementsAre(Wire::kMachine4, "10.9.0.7"));
    expect_good_checksums(row);
  }
  EXPECT_EQ(rows[0].at("ip.ttl").back(), "8");
  EXPECT_THAT(rows[0].at("tcp.srcport"), ElementsAre("7"));
  EXPECT_EQ(rows[1].at("ip.ttl").back(), "6");
  EXPECT_THAT(rows[1].at("udp.dstport"), ElementsAre("6080", "8"));
}

// Who reads must be able to: bytes of Linux and of GLB, and what we never send.
TEST(GueDissector, ReadsBytesThatOthersSend) {
  const std::string ip = "45000014000000004001000064400002c0000201";
  const test_support::TempDirectory directory;
  const auto read = [&](const std::string& hex) {
    std::string dump = "0000";
    for (std::size_t i = 0; i < hex.size(); i += 2) {
      dump += " " + hex.substr(i, 2);
    }
    std::ofstream(directory.file("dump")) << dump << "\n";
    const Finished made = run({"text2pcap", "-q", "-u", "6080,6080", directory.file("dump"),
                               directory.file("made.pcapng")});
    EXPECT_EQ(made.status, 0) << made;
    const auto rows = read_capture(directory.file("made.pcapng"), kFields);
    return rows.size() == 1 ? rows.front() : Capture::Row{};
  };
  const auto linux_remcsum = read("02040001800000000014001a" + ip);
  EXPECT_THAT(linux_remcsum.at("gue.flags"), ElementsAre("0x0001"));
  EXPECT_THAT(linux_remcsum.at("gue.hlen"), ElementsAre("2"));
  EXPECT_THAT(linux_remcsum.at("gue.private"), ElementsAre("800000000014001a"));
  EXPECT_EQ(linux_remcsum.at("ip.src").back(), "100.64.0.2");
  const auto glb = read("0204000000000001c0000207" + ip);
  EXPECT_THAT(glb.at("gue.private"), ElementsAre("00000001c0000207"));
  EXPECT_EQ(glb.at("ip.dst").back(), "192.0.2.1");
  EXPECT_EQ(glb.at("ip.checksum.status").back(), "0") << "a wrong checksum is seen";
  const auto control = read("20ff000000000001");
  EXPECT_THAT(control.at("gue.control"), ElementsAre("1"));
  EXPECT_THAT(control.at("gue.proto"), ElementsAre("255"));
  EXPECT_THAT(read("80000000").at("gue.variant"), ElementsAre("2"));
  EXPECT_THAT(read(ip).at("gue.variant"), ElementsAre("1"));
}

}  // namespace
}  // namespace integration
