// What a flood costs others: nothing but time. Established flows of other tenants and tunnels go
// on, new ones open, memory stays bounded, every packet is accounted for, and nothing is left.
//
//     tenant acme:      a client with a bulk transfer --+
//                       a tunnel that floods -----------+--> gateway --> servers
//     tenant umbrella:  a tunnel that floods -----------+
//
// How fast the transfer goes on is not asked here, where other tests run beside it:
// `tools/bench/run
// --loads up1,flood-up`.

#include <atomic>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/drops.h"
#include "integration/support/gateway_process.h"
#include "integration/support/servers.h"
#include "tests/support/packet_builder.h"

namespace integration {
namespace {

using test_support::Packet;
using test_support::tcp;
using test_support::udp;

constexpr auto kLong = 100s;
constexpr std::uint64_t kFlood = 20'000;
constexpr std::uint64_t kHalfOpen = 100'000;
constexpr std::uint64_t kBehindOneRedirect = 50'000;

// The N-th of many clients, below 10.0.0.0/8 or another first byte.
std::string address(std::uint64_t number, int first_byte = 10) {
  return std::to_string(first_byte) + "." + std::to_string(number >> 16U & 0xffU) + "." +
         std::to_string(number >> 8U & 0xffU) + "." + std::to_string(number & 0xffU);
}

std::uint64_t pss_bytes(pid_t pid) {
  std::ifstream rollup("/proc/" + std::to_string(pid) + "/smaps_rollup");
  for (std::string word; rollup >> word;) {
    if (word == "Pss:") {
      std::uint64_t kilobytes = 0;
      rollup >> kilobytes;
      return kilobytes * 1024;
    }
  }
  throw std::runtime_error("no Pss in smaps_rollup");
}

// Sends Pattern(1) until it is told to stop.
class BulkTransfer {
 public:
  BulkTransfer(const ClientNetwork& client, const base::Endpoint& to)
      : connection_(client.connect(to)), thread_([this] { send(); }) {}
  ~BulkTransfer() { stop(); }
  BulkTransfer(const BulkTransfer&) = delete;
  BulkTransfer& operator=(const BulkTransfer&) = delete;

  // Ends it in good order; how many bytes there were.
  std::uint64_t stop() {
    stopping_ = true;
    if (thread_.joinable()) {
      thread_.join();
    }
    return sent_;
  }
  // So much more than now has been sent.
  [[nodiscard]] bool goes_on() const {
    const std::uint64_t before = sent_;
    return eventually([&] { return sent_ > before + 1'000'000; });
  }

 private:
  void send() {
    try {
      const Pattern pattern;
      while (!stopping_) {
        const auto piece = pattern.from(sent_).first(16'384);
        connection_.send(piece);
        sent_ += piece.size();
      }
      connection_.finish_sending();
    } catch (const std::exception& failed) {
      ADD_FAILURE() << "the transfer broke after " << sent_ << " bytes: " << failed.what();
    }
  }

  TcpConnection connection_;
  std::atomic<std::uint64_t> sent_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

class Overload : public testing::Test {
 protected:
  TunnelConnection flooding_tunnel(const std::string& tenant, const std::string& addresses) {
    return TunnelConnection::open(gateway_.onramp(),
                                  {.tenant = tenant, .name = "flood", .addresses = {addresses}});
  }
  nlohmann::json tenant(const std::string& name) const {
    for (const auto& shown : gateway_.flowctl({"tenants"})) {
      if (shown.at("name") == name) {
        return shown;
      }
    }
    throw std::runtime_error("no tenant " + name);
  }
  std::uint64_t stat(const char* name) const { return gateway_.flowctl({"stats"}).at(name); }

  // What its tunnel has carried so far, of all tunnels called "flood".
  std::uint64_t flooded() const {
    std::uint64_t packets = 0;
    for (const auto& tunnel : gateway_.flowctl({"tunnels"})) {
      if (tunnel.at("name") == "flood") {
        packets += tunnel.at("up").at("packets").get<std::uint64_t>();
      }
    }
    return packets;
  }

  void expect_new_flows_of_acme_to_open(const TcpServer& server) {
    for (int i = 0; i < 5; ++i) {
      TcpConnection connection = client_.connect(server.endpoint());
      connection.send("new");
      EXPECT_EQ(connection.receive(3), "new");
      connection.finish_sending();
      EXPECT_EQ(connection.wait_for_end(), End::kFin);
    }
  }

  // Of hundreds of thousands of lines, too many to parse as JSON.
  struct Ended {
    std::uint64_t flows = 0;
    std::uint64_t packets = 0;  // from tunnels
  };
  [[nodiscard]] Ended ended_in_audit() const {
    Ended ended;
    std::ifstream log(gateway_.file("audit.jsonl"));
    const std::string key = R"("up":{"packets":)";
    for (std::string line; std::getline(log, line);) {
      if (line.find(R"("event":"flow_end")") != std::string::npos) {
        ++ended.flows;
        ended.packets += std::stoull(line.substr(line.find(key) + key.size()));
      }
    }
    return ended;
  }

  // Each packet from a tunnel is of one flow, or was refused one for a reason that is counted.
  void expect_every_packet_accounted_for() {
    ASSERT_TRUE(eventually([&] { return stat("flows") == 0; }, kLong)) << stat("flows");
    EXPECT_TRUE(eventually([&] { return ended_in_audit().flows == stat("flows_opened"); }, kLong));
    std::uint64_t accounted = ended_in_audit().packets;
    const auto dropped = drops(gateway_);
    for (const char* reason :
         {"no_flow", "source_not_allowed", "martian_destination", "no_route", "flow_table_full",
          "tenant_flow_limit", "tenant_flow_rate", "tunnel_flow_rate", "overloaded",
          "half_open_limit", "connection_limit", "dial_limit", "no_free_binding", "audit_backlog",
          "unrelated_icmp_error"}) {
      accounted += dropped.at(reason);
    }
    EXPECT_EQ(accounted, gateway_.flowctl({"stats"}).at("up").at("packets"));
  }

  void expect_nothing_left() {
    EXPECT_EQ(gateway_.flowctl({"nat"}).at("claimed"), 0);
    for (const char* name : {"acme", "umbrella"}) {
      for (const char* what : {"flows", "dials", "half_open", "connections"}) {
        EXPECT_EQ(tenant(name).at(what), 0) << name << " " << what;
      }
    }
    EXPECT_EQ(stat("relays"), 0U);
    EXPECT_EQ(stat("pipes_in_use"), 0U);
  }

  // With `flood` under way, of which the gateway has seen `packets` in the end.
  template <class Flood>
  void withstand(std::uint64_t packets, std::uint64_t most_bytes, Flood flood) {
    const TcpServer sink = TcpServer::discard();
    const TcpServer echo = TcpServer::echo();
    BulkTransfer transfer(client_, sink.endpoint());
    ASSERT_TRUE(transfer.goes_on());
    const std::uint64_t memory_before = pss_bytes(gateway_.pid());
    {
      std::thread flooding(flood);
      expect_new_flows_of_acme_to_open(echo);
      flooding.join();
    }
    EXPECT_TRUE(eventually([&] { return flooded() == packets; }, kLong)) << flooded();
    EXPECT_TRUE(transfer.goes_on());
    expect_new_flows_of_acme_to_open(echo);
    const std::uint64_t memory = pss_bytes(gateway_.pid());
    EXPECT_LE(memory, memory_before + most_bytes);
    RecordProperty("memory_bytes", std::to_string(memory - std::min(memory, memory_before)));
    const std::uint64_t sent = transfer.stop();
    const Served served = sink.wait_for_connection(0);
    EXPECT_EQ(served.received_bytes, sent);
    EXPECT_TRUE(served.pattern_is_right);
    EXPECT_EQ(served.end, End::kFin);
  }

  GatewayProcess gateway_{
      {.tenants = "\n  - {name: acme, id: 1, max_half_open: 1000, max_dials: 500}"
                  "\n  - {name: umbrella, id: 2, max_half_open: 100000, max_flows: 200000}",
       .rules = "\n  - {name: crowd, match: {protocol: udp, destination: 12.0.0.0/8}, redirect: '" +
                host::kSilent4 + ":9'}",
       .flows = "{timeouts: {tcp_time_wait: 100ms, tcp_handshake: 5m}}"}};
  ClientNetwork client_{gateway_.onramp(), {.tenant = "acme"}};
};

// The upstreams answer, refuse, and say nothing at all; nobody answers the gateway's SYN-ACKs.
TEST_F(Overload, SynFloodHindersNobodyElse) {
  // Full after a few thousand connections, and silent then.
  const base::Fd deaf = listen_on({*base::IpAddress::parse(host::kOtherServer4), {}});
  const std::vector<std::string> targets = {local_endpoint(deaf).to_string(),
                                            closed_port().to_string(), host::kSilent4 + ":80"};
  auto foreign = flooding_tunnel("umbrella", "10.0.0.0/8");
  auto own = flooding_tunnel("acme", "11.0.0.0/8");
  withstand(2 * kFlood, 256U << 20U, [&] {
    for (std::uint64_t i = 0; i < kFlood; ++i) {
      const std::string& target = targets[i % targets.size()];
      foreign.send(tcp(address(i) + ":1024", target).syn().build());
      own.send(tcp(address(i, 11) + ":1024", target).syn().build());
    }
  });
  EXPECT_LE(tenant("acme").at("half_open"), 1000);
  EXPECT_GT(tenant("acme").at("gave_way_total"), 0);
  foreign.close();
  own.close();
  expect_every_packet_accounted_for();
  expect_nothing_left();
}

TEST_F(Overload, UdpSprayHindersNobodyElse) {
  auto spraying = flooding_tunnel("umbrella", "10.0.0.0/8");
  withstand(kFlood, 256U << 20U, [&] {
    for (std::uint64_t i = 0; i < kFlood; ++i) {
      const std::string port = std::to_string(1 + i * 7919 % 65'535);
      spraying.send(udp(address(i % 5'000) + ":" + port,
                        (i % 2 == 0 ? host::kServer4 : host::kSilent4) + ":" + port)
                        .payload("spray")
                        .build());
    }
  });
  spraying.close();
  expect_every_packet_accounted_for();
  expect_nothing_left();
}

// One socket whose flows all ask the same upstream: nothing may walk over them, not with a packet
// and not when they end, which they do all at once.
TEST_F(Overload, ManyDestinationsBehindOneRedirectHinderNobodyElse) {
  const TcpServer echo = TcpServer::echo();
  auto crowd = flooding_tunnel("umbrella", "10.0.0.1/32");
  const auto all_are_open = [&] {
    for (std::uint64_t i = 0; i < kBehindOneRedirect; ++i) {
      crowd.send(udp("10.0.0.1:1024", address(i, 12) + ":9").payload("x").build());
    }
    return tenant("umbrella").at("flows") == kBehindOneRedirect;
  };
  EXPECT_TRUE(eventually(all_are_open, kLong)) << tenant("umbrella");
  expect_new_flows_of_acme_to_open(echo);
  crowd.close();
  expect_new_flows_of_acme_to_open(echo);
  EXPECT_TRUE(eventually([&] { return stat("flows") == 0; }, kLong)) << stat("flows");
  expect_nothing_left();
}

// A tunnel with offload may send SYNs of 64 KiB. What they carry is nothing that is kept.
TEST_F(Overload, PayloadOfHeldSynsTakesNoMemory) {
  constexpr std::uint64_t kSyns = 1'000;
  constexpr std::uint64_t kPayloadBytes = 65'000;
  const auto flood = TunnelConnection::open(
      gateway_.onramp(), {.tenant = "umbrella", .addresses = {"10.0.0.0/8"}, .offload = true});
  gateway_.wait_for_tunnels(2);
  const std::uint64_t before = pss_bytes(gateway_.pid());
  const auto all_are_dialled = [&] {
    for (std::uint64_t i = 0; i < kSyns; ++i) {
      auto wire = Packet(sizeof(flows::VnetHeader));
      test_support::put(
          wire,
          tcp(address(i) + ":1024", host::kSilent4 + ":80").syn().payload(kPayloadBytes).build());
      flood.send(wire);
    }
    return tenant("umbrella").at("dials") == kSyns;
  };
  EXPECT_TRUE(eventually(all_are_dialled, kLong)) << tenant("umbrella");
  const std::uint64_t memory = pss_bytes(gateway_.pid());
  EXPECT_LE(memory, before + kSyns * kPayloadBytes / 2);
  RecordProperty("memory_bytes", std::to_string(memory - std::min(memory, before)));
}

TEST_F(Overload, HundredThousandHalfOpenFlowsHinderNobodyElse) {
  auto server = TunnelConnection::open(gateway_.onramp(),
                                       {.tenant = "umbrella", .addresses = {"100.64.9.9/32"}});
  auto half_open = flooding_tunnel("umbrella", "10.0.0.0/8");
  gateway_.wait_for_tunnels(3);
  withstand(kHalfOpen, 64U << 20U, [&] {
    for (std::uint64_t i = 0; i < kHalfOpen; ++i) {
      half_open.send(tcp(address(i) + ":1024", "100.64.9.9:80").syn().build());
    }
  });
  EXPECT_EQ(tenant("umbrella").at("half_open"), kHalfOpen);
  EXPECT_EQ(tenant("umbrella").at("gave_way_total"), 0);
  half_open.close();
  server.close();
  expect_every_packet_accounted_for();
  expect_nothing_left();
}

// ---- Each budget by itself ----

TEST(Budget, NewFlowsOfATunnelAreSoManyInATime) {
  const GatewayProcess gateway(
      {.tenants = "- {name: acme, id: 1, max_new_flows: 8/h, max_new_flows_of_tunnel: 5/h}"});
  const auto first = TunnelConnection::open(gateway.onramp(), {.addresses = {"10.0.0.0/8"}});
  const auto second = TunnelConnection::open(gateway.onramp(), {.addresses = {"11.0.0.0/8"}});
  for (std::uint64_t i = 0; i < 10; ++i) {
    first.send(udp(address(i) + ":1024", host::kServer4 + ":9").payload("x").build());
  }
  ASSERT_TRUE(eventually([&] { return drops(gateway)["tunnel_flow_rate"] == 5; }));
  for (std::uint64_t i = 0; i < 5; ++i) {
    second.send(udp(address(i, 11) + ":1024", host::kServer4 + ":9").payload("x").build());
  }
  EXPECT_TRUE(eventually([&] { return drops(gateway)["tenant_flow_rate"] == 2; }));
  EXPECT_EQ(gateway.flowctl({"stats"}).at("flows_opened"), 8);
}

// An ACK behind a SYN costs a flood nothing, and is no answer.
TEST(Budget, ForwardedConnectionIsHalfOpenUntilItsResponderHasAnswered) {
  constexpr std::uint64_t kMost = 10;
  const GatewayProcess gateway({.tenants = "- {name: acme, id: 1, max_half_open: 10}"});
  const auto server = TunnelConnection::open(gateway.onramp(), {.addresses = {"100.64.9.9/32"}});
  const auto flood = TunnelConnection::open(gateway.onramp(), {.addresses = {"10.0.0.0/8"}});
  gateway.wait_for_tunnels(2);
  const auto from = [](std::uint64_t i) { return tcp(address(i) + ":1024", "100.64.9.9:80"); };
  for (std::uint64_t i = 0; i < kMost; ++i) {
    flood.send(from(i).syn().build());
    flood.send(from(i).ack(1).build());
    flood.send(from(i).ack(1).payload("GET / HTTP/1.1").build());
  }
  const auto half_open = [&] {
    return gateway.flowctl({"tenants"}).at(0).at("half_open").get<std::uint64_t>();
  };
  EXPECT_TRUE(eventually([&] { return gateway.flows().size() == kMost; }));
  EXPECT_EQ(half_open(), kMost);
  flood.send(from(kMost).syn().build());
  EXPECT_TRUE(eventually([&] {
    const auto dropped = drops(gateway);
    return dropped.at("half_open_limit") + dropped.at("gave_way") == 1;
  }));

  server.send(tcp("100.64.9.9:80", address(kMost - 1) + ":1024").syn().ack(1001).build());
  flood.send(from(kMost - 1).ack(1001).build());
  EXPECT_TRUE(eventually([&] { return half_open() == kMost - 1; }));
}

TEST(Budget, ConnectionsBeyondTheirNumberAreRefusedAsProhibited) {
  const GatewayProcess gateway(
      {.tenants = "- {name: acme, id: 1, max_connections: 2}", .flows = kQuickTimeWait});
  const ClientNetwork client(gateway.onramp());
  const TcpServer server = TcpServer::echo();
  TcpConnection first = client.connect(server.endpoint());
  {
    const TcpConnection second = client.connect(server.endpoint());
    EXPECT_EQ(client.try_connect(server.endpoint()).value(), EHOSTUNREACH);
    EXPECT_EQ(drops(gateway)["connection_limit"], 1U);
  }
  ASSERT_TRUE(eventually([&] { return gateway.flows().size() == 1; }));
  TcpConnection third = client.connect(server.endpoint());
  third.send("x");
  EXPECT_EQ(third.receive(1), "x");
}

// A reload changes them while packets come.
TEST(Budget, IsAnotherAfterAReload) {
  const GatewayProcess gateway({.tenants = "- {name: acme, id: 1, max_new_flows: 1/h}"});
  const auto tunnel = TunnelConnection::open(gateway.onramp(), {.addresses = {"10.0.0.0/8"}});
  const auto send = [&](std::uint64_t number) {
    tunnel.send(udp(address(number) + ":1024", host::kServer4 + ":9").payload("x").build());
  };
  send(1);
  send(2);
  ASSERT_TRUE(eventually([&] { return drops(gateway)["tenant_flow_rate"] == 1; }));
  std::ifstream before(gateway.file("config.yaml"));
  std::string text{std::istreambuf_iterator<char>(before), {}};
  text.replace(text.find("1/h"), 3, "any");
  std::ofstream(gateway.file("config.yaml")) << text;
  const Finished reloaded = run({liftgate_program(), "reload", "--socket", gateway.control()});
  ASSERT_EQ(reloaded.status, 0) << reloaded;
  send(3);
  EXPECT_TRUE(eventually([&] { return gateway.flowctl({"stats"}).at("flows_opened") == 2; }));
}

}  // namespace
}  // namespace integration
