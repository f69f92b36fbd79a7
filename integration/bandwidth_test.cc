// Rules and tenants that bound how fast bytes go: proxied connections are slowed down and lose
// nothing, datagrams and forwarded packets beyond the bound are dropped.
//
//     [client 100.64.0.2]==SEQPACKET==gateway==== servers on 192.0.2.1 and 192.0.2.2
//     [client 100.64.0.3]==SEQPACKET====
//
// Times are asked for with much room: a bound is a least time for so many bytes, which nothing that
// the machine does meanwhile can shorten.

#include <chrono>
#include <fstream>
#include <future>
#include <string>

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/drops.h"
#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/pattern.h"
#include "integration/support/servers.h"
#include "integration/support/udp_client.h"

namespace integration {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kLong = 60s;
constexpr std::uint64_t kFiveMegabytes = 5'000'000;  // 2 s at 20 Mbit/s, of which 0.1 s is saved up

struct Transfer {
  std::uint64_t bytes = 0;
  bool is_right = true;
  End end = End::kNone;
  Clock::duration took{};
};

// Reads to the end what a TcpServer::source() sends.
Transfer download(TcpConnection connection) {
  Transfer done;
  const Pattern pattern(1);
  PatternChecker checker(pattern);
  const auto begin = Clock::now();
  done.end =
      connection.drain([&](std::span<const std::byte> bytes) { checker.take(bytes); }, kLong);
  done.took = Clock::now() - begin;
  done.bytes = checker.bytes();
  done.is_right = checker.is_right();
  return done;
}

nlohmann::json bandwidths_of(const GatewayProcess& gateway) {
  return gateway.flowctl({"stats"}).at("bandwidths");
}

constexpr auto kCappedServer =
    "- {name: capped, match: {destination: 192.0.2.1}, action: upgrade, bandwidth: 20Mbit/s}";

class Bandwidth : public testing::Test {
 protected:
  explicit Bandwidth(const std::string& rules = kCappedServer) : gateway_({.rules = rules}) {}

  GatewayProcess gateway_;
  ClientNetwork client_{gateway_.onramp(), {.offload = true}};
};

TEST_F(Bandwidth, OfARuleSlowsADownloadAndLosesNothing) {
  const TcpServer server = TcpServer::source(kFiveMegabytes);
  const Transfer done = download(client_.connect(server.endpoint()));
  EXPECT_EQ(done.bytes, kFiveMegabytes);
  EXPECT_TRUE(done.is_right);
  EXPECT_EQ(done.end, End::kFin);
  EXPECT_GE(done.took, 1500ms);

  const auto bound = bandwidths_of(gateway_).at(0);
  EXPECT_EQ(bound.at("rule"), "capped");
  EXPECT_EQ(bound.at("tenant"), "acme");
  EXPECT_EQ(bound.at("bits_per_second"), 20'000'000);
  EXPECT_EQ(bound.at("bytes"), kFiveMegabytes);
  EXPECT_GT(bound.at("waits"), 10);
  EXPECT_GT(bound.at("waited_ms"), 1'000);
  EXPECT_EQ(bound.at("dropped").at("packets"), 0);
}

TEST_F(Bandwidth, OfARuleSlowsAnUploadAndLosesNothing) {
  const TcpServer server = TcpServer::discard();
  TcpConnection connection = client_.connect(server.endpoint());
  const auto begin = Clock::now();
  const Pattern pattern(1);
  for (std::uint64_t sent = 0; sent < kFiveMegabytes; sent += 50'000) {
    connection.send(pattern.from(sent).first(50'000));
  }
  connection.finish_sending();
  EXPECT_EQ(connection.wait_for_end(kLong), End::kFin);
  EXPECT_GE(Clock::now() - begin, 1500ms);
  const Served served = server.wait_for_connection(0);
  EXPECT_EQ(served.received_bytes, kFiveMegabytes);
  EXPECT_TRUE(served.pattern_is_right);
}

// Both wait for the same bound all the time, so neither is ahead of the other by much.
TEST_F(Bandwidth, FlowsOfARuleShareItFairly) {
  const TcpServer server = TcpServer::source(kFiveMegabytes);
  TcpConnection one = client_.connect(server.endpoint());
  TcpConnection other = client_.connect(server.endpoint());
  const auto begin = Clock::now();
  auto first = std::async(std::launch::async, [&] { return download(std::move(one)); });
  const Transfer second = download(std::move(other));
  const Transfer done = first.get();
  const auto took = Clock::now() - begin;
  EXPECT_EQ(done.bytes + second.bytes, 2 * kFiveMegabytes);
  EXPECT_TRUE(done.is_right && second.is_right);
  EXPECT_GE(took, 3500ms) << "together they have no more than one alone";
  EXPECT_GE(std::min(done.took, second.took), took * 6 / 10)
      << "had one come first, it would have taken half the time";
}

TEST_F(Bandwidth, FlowOfNoBoundIsUntouchedBeside) {
  const TcpServer capped = TcpServer::source(kFiveMegabytes);
  const TcpServer free = TcpServer::source(4 * kFiveMegabytes, host::kOtherServer4);
  TcpConnection slow = client_.connect(capped.endpoint());
  auto slow_done = std::async(std::launch::async, [&] { return download(std::move(slow)); });
  const Transfer fast = download(client_.connect(free.endpoint()));
  const Transfer done = slow_done.get();
  EXPECT_EQ(fast.bytes, 4 * kFiveMegabytes);
  EXPECT_TRUE(fast.is_right && done.is_right);
  EXPECT_LT(fast.took, done.took) << "four times as much, and earlier";
  EXPECT_EQ(bandwidths_of(gateway_).at(0).at("bytes"), kFiveMegabytes) << "and not counted";
}

TEST_F(Bandwidth, ResetReachesTheOtherEndThroughAnEmptyBound) {
  const TcpServer server = TcpServer::source(50'000'000);
  TcpConnection connection = client_.connect(server.endpoint());
  EXPECT_EQ(connection.receive(1'000'000).size(), 1'000'000U);
  connection.reset();
  EXPECT_TRUE(server.wait_for_connection(0).finished) << "sending has failed";
  EXPECT_EQ(gateway_.wait_for_audit("flow_end", 1).at(0).at("reason"), "reset_by_client");
  ASSERT_TRUE(eventually([&] { return gateway_.flowctl({"stats"}).at("relays") == 0; }));
  EXPECT_EQ(bandwidths_of(gateway_).at(0).at("waiting"), 0) << "nobody is left in line";
}

TEST_F(Bandwidth, IsSaidByExplainAndOfAFlow) {
  const TcpServer server = TcpServer::echo();
  TcpConnection connection = client_.connect(server.endpoint());
  const auto said =
      gateway_.flowctl({"explain", "tcp 100.64.0.2:1 > " + server.endpoint().to_string()});
  EXPECT_EQ(said.at("bandwidths").at(0).at("of"), "rule capped");
  EXPECT_EQ(said.at("bandwidths").at(0).at("bound"), "20Mbit/s");
  EXPECT_TRUE(said.at("says").get<std::string>().ends_with(
      ", 20Mbit/s at most with all flows of rule capped"))
      << said;
  const std::string id = gateway_.flows().at(0).at("id").dump();
  EXPECT_EQ(gateway_.flowctl({"flow", id}).at("bandwidths").at(0).at("rule"), "capped");
  const Finished text = gateway_.run_flowctl({"flow", id});
  EXPECT_NE(text.out.find("20Mbit/s at most with all flows of rule capped"), std::string::npos)
      << text;
}

// 100 kbit/s are 12.5 kB a second, and 16 KiB are saved up: of 400 datagrams of 1,000 bytes some
// thirty get there, within the second or two that this takes.
TEST(BandwidthOfDatagrams, WhatIsBeyondIsDroppedAndCounted) {
  const GatewayProcess gateway(
      {.rules = "- {name: capped, match: {protocol: udp}, action: upgrade, bandwidth: 100kbit/s}"});
  const ClientNetwork client(gateway.onramp());
  const UdpServer server = UdpServer::silent();
  const UdpClient udp(client);
  constexpr std::uint64_t kSent = 400;
  for (std::uint64_t i = 0; i < kSent; ++i) {
    udp.send_to(server.endpoint(), std::string(1'000, 'x'));
  }
  ASSERT_TRUE(eventually([&] {
    return drops(gateway)["bandwidth"] + server.received().size() == kSent;
  })) << drops(gateway)["bandwidth"];
  EXPECT_GE(server.received().size(), 16U);
  EXPECT_LE(server.received().size(), 200U);
  const auto bound = bandwidths_of(gateway).at(0);
  EXPECT_EQ(bound.at("dropped").at("packets"), drops(gateway)["bandwidth"]);
  EXPECT_EQ(bound.at("bytes"), server.received().size() * 1'028) << "with their IP headers";
}

TEST(BandwidthOfForwarding, WhatIsBeyondIsDroppedAndCounted) {
  const GatewayProcess gateway(
      {.rules =
           "- {name: peers, match: {to_tunnel: true}, action: forward, bandwidth: 100kbit/s}"});
  const ClientNetwork one(gateway.onramp(), {.name = "one"});
  const ClientNetwork other(gateway.onramp(), {.name = "other", .addresses = {"100.64.0.3/32"}});
  gateway.wait_for_tunnels(2);
  const UdpClient udp(one);
  constexpr std::uint64_t kSent = 200;
  const auto to = *base::Endpoint::parse("100.64.0.3:9999");
  for (std::uint64_t i = 0; i < kSent; ++i) {
    udp.send_to(to, std::string(1'000, 'x'));
  }
  const auto arrived = [&] {
    return other
        .tally([](const SeenPacket& packet) {
          return packet.direction == Direction::kDown &&
                 packet.headers.protocol == flows::Protocol::kUdp;
        })
        .packets;
  };
  ASSERT_TRUE(eventually([&] { return drops(gateway)["bandwidth"] + arrived() >= kSent; }));
  EXPECT_GE(drops(gateway)["bandwidth"], 50U);
  EXPECT_GE(arrived(), 8U) << "16 KiB, less what the answers (port unreachable) have of them";
}

TEST(BandwidthOfATenant, HoldsForAllItsFlowsAndForNobodyElses) {
  const GatewayProcess gateway({.tenants = R"(
  - {name: acme, id: 1, bandwidth: 20Mbit/s}
  - {name: other, id: 2})"});
  const ClientNetwork acme(gateway.onramp(), {.tenant = "acme", .offload = true});
  const ClientNetwork other(gateway.onramp(), {.tenant = "other", .offload = true});
  const TcpServer server = TcpServer::source(kFiveMegabytes);
  auto bound =
      std::async(std::launch::async, [&] { return download(acme.connect(server.endpoint())); });
  const Transfer free = download(other.connect(server.endpoint()));
  const Transfer slow = bound.get();
  EXPECT_TRUE(slow.is_right && free.is_right);
  EXPECT_EQ(slow.bytes, kFiveMegabytes);
  EXPECT_GE(slow.took, 1500ms);
  EXPECT_LT(free.took, slow.took);
  for (const auto& tenant : gateway.flowctl({"tenants"})) {
    const bool is_bound = tenant.at("name") == "acme";
    EXPECT_EQ(tenant.at("bits_per_second"),
              is_bound ? nlohmann::json(20'000'000) : nlohmann::json());
  }
  const auto bounds = bandwidths_of(gateway);
  ASSERT_EQ(bounds.size(), 1U);
  EXPECT_TRUE(bounds[0].at("rule").is_null());
  EXPECT_EQ(bounds[0].at("bytes"), kFiveMegabytes);
}

// The connection goes on, slower and then unbound: nothing of it is lost.
TEST(BandwidthReload, HoldsForFlowsThatLive) {
  const GatewayProcess gateway({.rules = "\n  - {name: all, action: upgrade}"});
  const auto reload = [&](const std::string& rule) {
    std::ifstream file(gateway.file("config.yaml"));
    std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::string before = "{name: all, action: upgrade}";
    text.replace(text.find(before), before.size(), rule);
    std::ofstream(gateway.file("new.yaml")) << text;
    const Finished done = run({liftgate_program(), "reload", "--socket", gateway.control(),
                               "--config", gateway.file("new.yaml")});
    EXPECT_EQ(done.out, "1 rules are in force; 0 flows have ended that they forbid\n") << done;
  };
  const ClientNetwork client(gateway.onramp(), {.offload = true});
  constexpr std::uint64_t kBytes = 40'000'000;
  const TcpServer server = TcpServer::source(kBytes);
  TcpConnection connection = client.connect(server.endpoint());
  const Pattern pattern(1);
  PatternChecker checker(pattern);
  const auto receive = [&](std::size_t bytes) {
    const std::string got = connection.receive(bytes);
    checker.take(std::as_bytes(std::span(got)));
  };
  receive(1'000'000);
  reload("{name: all, action: upgrade, bandwidth: 8kbit/s}");
  // What was on its way comes first, and then so little that the connection waits.
  const auto take = [&](std::span<const std::byte> bytes) { checker.take(bytes); };
  ASSERT_TRUE(eventually([&] {
    connection.drain(take, 100ms);
    const auto bounds = bandwidths_of(gateway);
    return bounds.size() == 1 && bounds[0].at("waiting") > 0;
  }));
  reload("{name: all, action: upgrade, bandwidth: 80Mbit/s}");
  receive(5'000'000);
  EXPECT_EQ(bandwidths_of(gateway).at(0).at("bits_per_second"), 80'000'000);
  reload("{name: all, action: upgrade}");
  EXPECT_EQ(connection.drain(take, kLong), End::kFin);
  EXPECT_EQ(checker.bytes(), kBytes);
  EXPECT_TRUE(checker.is_right());
  EXPECT_TRUE(bandwidths_of(gateway).empty());
}

}  // namespace
}  // namespace integration
