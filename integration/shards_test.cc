// Two workers: each tenant lives on one of them, and whoever looks from outside sees one gateway.
//
//     client of acme,  100.64.0.2 ==SEQPACKET==> [shard: thread, sandbox, NAT, flows]==> servers
//     client of other, 100.64.0.2 ==SEQPACKET==> [shard: thread, sandbox, NAT, flows]==> servers
//     GuePeer 192.0.2.5 ==UDP: GUE==> a socket of each shard

#include <csignal>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flows/flow_id.h"
#include "integration/support/client_network.h"
#include "integration/support/drops.h"
#include "integration/support/gateway_process.h"
#include "integration/support/gue_peer.h"
#include "integration/support/host_network.h"
#include "integration/support/must.h"
#include "integration/support/servers.h"
#include "integration/support/udp_client.h"
#include "tests/support/packet_builder.h"

namespace integration {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

constexpr auto kTwoTenants = "\n  - {name: acme, id: 1}\n  - {name: other, id: 2}";
constexpr auto kTwoWorkers = "workers: 2\n";

GatewayConfig config(const std::string& rules = "") {
  return {.tenants = kTwoTenants, .rules = rules, .flows = kQuickTimeWait, .more = kTwoWorkers};
}

json flow_of(const GatewayProcess& gateway, const std::string& tenant) {
  const json flows = gateway.flowctl({"flows", "tenant=" + tenant});
  if (flows.size() != 1) {
    give_up(tenant + " has not one flow: " + flows.dump());
  }
  return flows.at(0);
}
std::string id_of(const json& flow) {
  return flow.at("id").dump();
}

class Shards : public testing::Test {
 protected:
  explicit Shards(const GatewayConfig& settings = config()) : gateway_(settings) {}

  TcpConnection connected(const ClientNetwork& client, const std::string& hello) {
    TcpConnection connection = client.connect(server_.endpoint());
    connection.send(hello);
    EXPECT_EQ(connection.receive(hello.size()), hello);
    return connection;
  }
  static void expect_alive(TcpConnection& connection) {
    connection.send("still here");
    EXPECT_EQ(connection.receive(10), "still here");
  }

  GatewayProcess gateway_;
  const TcpServer server_ = TcpServer::echo();
  ClientNetwork acme_{gateway_.onramp(), {.tenant = "acme", .name = "a"}};
  ClientNetwork other_{gateway_.onramp(), {.tenant = "other", .name = "o"}};
};

TEST_F(Shards, TenantsWithTheSameAddressesAreOneGatewayToWhoLooks) {
  EXPECT_EQ(gateway_.children().size(), 2U) << "each has a sandbox";
  TcpConnection first = connected(acme_, "from acme");
  TcpConnection second = connected(other_, "from other");

  const json of_acme = flow_of(gateway_, "acme");
  const json of_other = flow_of(gateway_, "other");
  EXPECT_NE(flows::shard_of_flow(of_acme.at("id")), flows::shard_of_flow(of_other.at("id")));
  EXPECT_EQ(gateway_.flows().size(), 2U);
  for (const json& flow : {of_acme, of_other}) {
    EXPECT_EQ(gateway_.flowctl({"flow", id_of(flow)}).at("tenant"), flow.at("tenant"));
  }
  const json stats = gateway_.flowctl({"stats"});
  EXPECT_EQ(stats.at("flows"), 2);
  EXPECT_EQ(stats.at("flows_opened"), 2);
  EXPECT_EQ(stats.at("tunnels"), 2);
  EXPECT_EQ(stats.at("relays"), 2);
  EXPECT_EQ(gateway_.flowctl({"nat"}).at("claimed"), 2);
  for (const json& tenant : gateway_.flowctl({"tenants"})) {
    EXPECT_EQ(tenant.at("flows"), 1) << tenant;
    EXPECT_EQ(tenant.at("tunnels"), 1) << tenant;
  }
  std::set<std::string> tunnels;
  for (const json& tunnel : gateway_.flowctl({"tunnels"})) {
    tunnels.insert(tunnel.at("name"));
  }
  EXPECT_THAT(tunnels, UnorderedElementsAre("a", "o"));
  EXPECT_EQ(gateway_.flowctl({"top", "--once", "--by", "tenant"}).at("rows").size(), 2U);

  first.close();
  second.close();
  EXPECT_EQ(gateway_.wait_for_audit("flow_end", 2).size(), 2U);
  EXPECT_EQ(gateway_.wait_for_audit("flow_start", 2).size(), 2U);
}

TEST_F(Shards, KillFindsTheFlowWhereverItIs) {
  TcpConnection first = connected(acme_, "a");
  TcpConnection second = connected(other_, "o");
  EXPECT_EQ(gateway_.run_flowctl({"kill", id_of(flow_of(gateway_, "other"))}).status, 0);
  EXPECT_EQ(second.wait_for_end(), End::kReset);
  expect_alive(first);
  EXPECT_EQ(gateway_.run_flowctl({"kill", id_of(flow_of(gateway_, "acme"))}).status, 0);
  EXPECT_EQ(first.wait_for_end(), End::kReset);
  const std::uint64_t nowhere = flows::first_flow_id(2);
  EXPECT_THAT(gateway_.run_flowctl({"kill", std::to_string(nowhere)}).err,
              HasSubstr("no flow has the id"));
}

TEST_F(Shards, ExplainAsksTheTenantsOwn) {
  TcpConnection first = connected(acme_, "a");
  TcpConnection second = connected(other_, "o");
  for (const std::string tenant : {"acme", "other"}) {
    const json flow = flow_of(gateway_, tenant);
    const json explained = gateway_.flowctl({"explain",
                                             "tcp " + flow.at("source").get<std::string>() + " > " +
                                                 flow.at("destination").get<std::string>(),
                                             "--tenant", tenant});
    EXPECT_EQ(explained.at("tenant"), tenant);
    EXPECT_EQ(explained.at("flow"), flow.at("id"));
  }
  EXPECT_THAT(gateway_.run_flowctl({"explain", "tcp 100.64.0.2:1 > 192.0.2.1:2"}).err,
              HasSubstr("--tenant is needed"));
}

TEST_F(Shards, EventsAndCaptureAreOfAll) {
  const std::string file = gateway_.file("all.pcapng");
  Program capture =
      Program::start({flowctl_program(), "--socket", gateway_.control(), "capture", "-w", file});
  Program events = Program::start({"sh", "-c",
                                   flowctl_program() + " --socket " + gateway_.control() +
                                       " --json events > " + gateway_.file("events")});
  const auto has = [&](const char* name, const std::string& text) {
    return run({"grep", "-aqF", text, gateway_.file(name)}).status == 0;
  };
  ASSERT_TRUE(eventually([&] { return run({"test", "-s", file}).status == 0; }));
  EXPECT_TRUE(eventually([&] {  // until both follow
    TcpConnection first = connected(acme_, "a");
    TcpConnection second = connected(other_, "o");
    return has("events", R"("tenant":"acme")") && has("events", R"("tenant":"other")");
  }));
  events.signal(SIGTERM);
  capture.signal(SIGINT);
  EXPECT_EQ(capture.wait().status, 0);
  EXPECT_TRUE(has("all.pcapng", "tenant=acme"));
  EXPECT_TRUE(has("all.pcapng", "tenant=other"));
}

TEST_F(Shards, KilledHelperIsTheLossOfItsOwnShardOnly) {
  TcpConnection first = connected(acme_, "a");
  TcpConnection second = connected(other_, "o");
  const auto helpers = gateway_.children();
  ASSERT_EQ(helpers.size(), 2U);

  ::kill(helpers.front(), SIGKILL);

  const json end = gateway_.wait_for_audit("flow_end", 1).front();
  EXPECT_EQ(end.at("reason"), "sandbox_lost");
  const bool hits_acme = end.at("tenant") == "acme";
  EXPECT_EQ((hits_acme ? first : second).wait_for_end(), End::kReset);
  expect_alive(hits_acme ? second : first);
  EXPECT_TRUE(eventually([&] { return gateway_.flowctl({"stats"}).at("sandbox_restarts") == 1; }));
  connected(hits_acme ? acme_ : other_, "again");
  EXPECT_EQ(gateway_.children().size(), 2U);
}

// An earlier flowctl takes one region: it must not show a part for the whole.
TEST_F(Shards, ClientThatTakesOneRegionIsToldThatThereAreMore) {
  const Finished answer =
      run({"sh", "-c",
           R"(echo '{"request":"flows"}' | socat -t5 - UNIX-CONNECT:)" + gateway_.control()});
  EXPECT_THAT(answer.out, HasSubstr("this gateway has 2 workers with a flow table each"));
  const Finished stats =
      run({"sh", "-c",
           R"(echo '{"request":"stats"}' | socat -t5 - UNIX-CONNECT:)" + gateway_.control()});
  EXPECT_THAT(stats.out, HasSubstr(R"("ok":true)"));
}

constexpr auto kAll = "\n  - {name: all, action: upgrade}";

class ShardsReload : public Shards {
 protected:
  ShardsReload() : Shards(config(kAll)) {}
};

TEST_F(ShardsReload, RulesHoldOnEachFromThenOn) {
  TcpConnection first = connected(acme_, "a");
  TcpConnection second = connected(other_, "o");
  std::ifstream file(gateway_.file("config.yaml"));
  std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::string rule = "- {name: all, action: upgrade}";
  ASSERT_NE(text.find(rule), std::string::npos);
  text.replace(text.find(rule), rule.size(),
               "- {name: not-other, match: {tenant: other}, action: reject}\n  " + rule);
  std::ofstream(gateway_.file("new.yaml")) << text;

  const Finished done = run({liftgate_program(), "reload", "--socket", gateway_.control(),
                             "--config", gateway_.file("new.yaml")});

  EXPECT_EQ(done.out, "2 rules are in force; 1 flows have ended that they forbid\n") << done;
  EXPECT_EQ(second.wait_for_end(), End::kReset);
  expect_alive(first);
  EXPECT_EQ(other_.try_connect(server_.endpoint()), std::errc::connection_refused);
  connected(acme_, "again");
}

class ShardsLimit : public Shards {
 protected:
  static GatewayConfig settings() {
    GatewayConfig settings = config();
    settings.flows = "{max: 3}";
    return settings;
  }
  ShardsLimit() : Shards(settings()) {}
};

TEST_F(ShardsLimit, OfFlowsIsOfAllTogether) {
  TcpConnection first = connected(acme_, "1");
  TcpConnection second = connected(other_, "2");
  TcpConnection third = connected(acme_, "3");
  EXPECT_TRUE(other_.try_connect(server_.endpoint()));
  EXPECT_GE(drops(gateway_)["flow_table_full"], 1U);
  EXPECT_EQ(gateway_.flowctl({"stats"}).at("flows_max"), 3);
}

std::string stream(std::uint64_t bytes) {
  return "yes 'liftgate carries this' | head -c " + std::to_string(bytes);
}

// Answers each request with the stream.
TcpServer web_server(std::uint64_t bytes) {
  return TcpServer::program(
      {"bash", "-c",
       R"(while IFS= read -r line && [ "$line" != $'\r' ]; do :; done; )"
       R"(printf 'HTTP/1.1 200 OK\r\nContent-Length: )" +
           std::to_string(bytes) + R"(\r\nConnection: close\r\n\r\n'; )" + stream(bytes)},
      host::kServer4);
}

TEST_F(Shards, TransfersOfBothAtOnceKeepTheirDigests) {
  constexpr std::uint64_t kBytes = 100'000'000;
  const TcpServer web = web_server(kBytes);
  const Finished there = run({"sh", "-c", stream(kBytes) + " | sha256sum"}, 60s);
  std::vector<Program> here;
  for (const ClientNetwork* client : {&acme_, &other_, &acme_, &other_}) {
    here.push_back(
        client->start({"sh", "-c", "curl -sS '" + url_of(web.endpoint()) + "' | sha256sum"}));
  }
  for (Program& transfer : here) {
    const Finished finished = transfer.wait(100s);
    EXPECT_EQ(finished.out, there.out) << finished;
  }
}

TEST_F(Shards, Iperf3OfBothAtOnceSaysNothingWentWrong) {
  Program server = Program::start({"iperf3", "-s", "-B", host::kServer4, "-p", "5311"});
  Program another = Program::start({"iperf3", "-s", "-B", host::kOtherServer4, "-p", "5311"});
  const auto client = [](const ClientNetwork& network, const std::string& address) {
    return network.start({"sh", "-c",
                          "for i in 1 2 3 4 5 6 7 8 9; do iperf3 -c " + address +
                              " -p 5311 -t 1 --bidir && exit; sleep 0.2; done; exit 1"});
  };
  Program first = client(acme_, host::kServer4);
  Program second = client(other_, host::kOtherServer4);
  for (Program* program : {&first, &second}) {
    const Finished finished = program->wait(60s);
    EXPECT_EQ(finished.status, 0) << finished;
  }
  for (const json& tenant : gateway_.flowctl({"tenants"})) {
    EXPECT_GE(tenant.at("flows_total"), 3) << tenant;
  }
}

// ---- GUE ----

const std::string kListen = "192.0.2.9:6080";
const std::string kPeer = "192.0.2.5";

// `before`: prefixes ahead of the peers'.
GatewayConfig gue_config(const std::string& before = "") {
  return {.onramps = "\n  - gue: {listen: '" + kListen + "', peers: [" + before +
                     "{prefix: 192.0.2.0/25, tenant: acme, may_name: [other]}]}"
                     "\n  - seqpacket: {path: '{dir}/onramp.sock'}",
          .tenants = kTwoTenants,
          .flows = kQuickTimeWait,
          .more = kTwoWorkers};
}
GuePeerOptions peer_for(std::optional<std::uint32_t> tenant, std::uint16_t port) {
  return {
      .outer = kPeer, .port = port, .gateway = *base::Endpoint::parse(kListen), .tenant = tenant};
}

// Two tenants behind one outer address, interleaved, with the same inner addresses.
TEST(ShardsGue, TenantsInterleavedEachGetTheirOwnAnswers) {
  const GatewayProcess gateway(gue_config());
  GuePeer acme(peer_for(std::nullopt, 6080));
  GuePeer other(peer_for(2, 6081));
  const ClientNetwork first(acme.tunnel(), {});
  const UdpServer server(
      [](const std::string& asked, const base::Endpoint&) { return "answer to " + asked; });
  const UdpClient client(first);
  for (int i = 0; i < 20; ++i) {
    const std::string text = "acme " + std::to_string(i);
    EXPECT_EQ(client.ask(server.endpoint(), text).payload, "answer to " + text);
    // Answers go to port 6080, which is acme's here: what counts is whose flow it is.
    other.send(test_support::udp("100.64.0.2:5000", server.endpoint().to_string())
                   .payload("other")
                   .build());
  }
  EXPECT_TRUE(eventually([&] {
    return gateway.flowctl({"flows", "tenant=other"}).size() == 1 &&
           flow_of(gateway, "other").at("up").at("packets") == 20 &&
           flow_of(gateway, "other").at("down").at("packets") == 20;
  }));
  EXPECT_EQ(flow_of(gateway, "acme").at("up").at("packets"), 20);
  EXPECT_NE(flows::shard_of_flow(flow_of(gateway, "acme").at("id")),
            flows::shard_of_flow(flow_of(gateway, "other").at("id")));
}

// Longer prefixes than the kernel's program has room for come before the peers': so it spreads them
// by their ports, and what comes to the wrong shard is handed over.
TEST(ShardsGue, WhatTheKernelCannotSteerIsHandedOver) {
  std::string many;
  for (int i = 0; i < 250; ++i) {
    many += "{prefix: 10.7.0." + std::to_string(i) + ", tenant: other}, ";
  }
  const GatewayProcess gateway(gue_config(many));
  const UdpServer server = UdpServer::echo();
  constexpr std::uint16_t kPorts = 16;
  constexpr std::uint64_t kEach = 25;
  for (std::uint16_t port = 7000; port < 7000 + kPorts; ++port) {
    const GuePeer peer(peer_for(std::nullopt, port));
    for (std::uint64_t i = 0; i < kEach; ++i) {
      peer.send(
          test_support::udp("100.64.0.2:5000", server.endpoint().to_string()).payload("x").build());
    }
  }
  EXPECT_TRUE(eventually([&] {
    return gateway.flows().size() == 1 &&
           flow_of(gateway, "acme").at("up").at("packets") == kPorts * kEach;
  }));
  EXPECT_EQ(drops(gateway)["gue_worker_busy"], 0U);
}

TEST(ShardsGue, BulkThroughAHandOverKeepsItsDigest) {
  std::string many;
  for (int i = 0; i < 250; ++i) {
    many += "{prefix: 10.7.0." + std::to_string(i) + ", tenant: other}, ";
  }
  const GatewayProcess gateway(gue_config(many));
  constexpr std::uint64_t kBytes = 10'000'000;
  const TcpServer web = web_server(kBytes);
  const Finished there = run({"sh", "-c", stream(kBytes) + " | sha256sum"}, 60s);
  // Answers go to port 6080; of the two addresses, one is likely hashed to the wrong shard.
  for (const std::string outer : {"192.0.2.5", "192.0.2.6"}) {
    GuePeerOptions options = peer_for(std::nullopt, 6080);
    options.outer = outer;
    GuePeer peer(options);
    const ClientNetwork client(peer.tunnel(), {});
    const Finished here =
        client.run({"sh", "-c", "curl -sS '" + url_of(web.endpoint()) + "' | sha256sum"}, 60s);
    EXPECT_EQ(here.out, there.out) << here;
  }
}

}  // namespace
}  // namespace integration
