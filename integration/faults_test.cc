// What breaks around the gateway: its helper, a tunnel, its own end, its descriptors.

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/drops.h"
#include "integration/support/gateway_process.h"
#include "integration/support/must.h"
#include "integration/support/servers.h"
#include "integration/support/tunnel_connection.h"
#include "integration/support/udp_client.h"
#include "tests/support/packet_builder.h"
#include "tests/support/temp_directory.h"

namespace integration {
namespace {

class Faults : public testing::Test {
 protected:
  // A connection through the gateway that works.
  TcpConnection connected() {
    TcpConnection connection = client_.connect(server_.endpoint());
    connection.send("x");
    EXPECT_EQ(connection.receive(1), "x");
    return connection;
  }

  GatewayProcess gateway_{{.flows = kQuickTimeWait}};
  ClientNetwork client_{gateway_.onramp()};
  TcpServer server_ = TcpServer::echo();
};

TEST_F(Faults, KilledHelperResetsItsFlowsAndComesBack) {
  TcpConnection before = connected();
  const auto helpers = gateway_.children();
  ASSERT_EQ(helpers.size(), 1U);

  ::kill(helpers.front(), SIGKILL);

  EXPECT_EQ(before.wait_for_end(), End::kReset);
  EXPECT_EQ(server_.wait_for_connection(0).end, End::kReset);
  EXPECT_EQ(gateway_.wait_for_audit("flow_end", 1).front().at("reason"), "sandbox_lost");
  EXPECT_TRUE(eventually([&] { return gateway_.flowctl({"stats"}).at("sandbox_restarts") == 1; }));
  connected();
  EXPECT_EQ(gateway_.children().size(), 1U);
}

TEST_F(Faults, TunnelThatDisappearsEndsItsFlowsWithThatReason) {
  TcpConnection connection = connected();
  client_.close_tunnel();
  EXPECT_EQ(server_.wait_for_connection(0).end, End::kReset);
  const auto end = gateway_.wait_for_audit("flow_end", 1).front();
  EXPECT_EQ(end.at("reason"), "tunnel_closed");
  EXPECT_GT(end.at("rtt_us"), 0);
  EXPECT_TRUE(end.contains("retransmits"));
  EXPECT_EQ(gateway_.flows().size(), 0U);
  EXPECT_EQ(gateway_.flowctl({"tunnels"}).size(), 0U);
  EXPECT_EQ(gateway_.flowctl({"nat"}).at("claimed"), 0);
  for (const auto& drop : gateway_.flowctl({"drops"})) {
    EXPECT_TRUE(drop.at("name") != "no_binding" || drop.at("count") == 0) << drop;
  }
}

TEST_F(Faults, LiveRelaysAreInTheFigures) {
  const TcpConnection connection = connected();
  const auto stats = gateway_.flowctl({"stats"});
  EXPECT_EQ(stats.at("relayed_up_bytes"), 1);
  EXPECT_EQ(stats.at("relayed_down_bytes"), 1);
}

// Each connection takes what it can get; the last few descriptors are flowctl's.
TEST(Famine, LeavesFlowctlItsDescriptors) {
  GatewayProcess gateway({.most_descriptors = 64});
  ClientNetwork client(gateway.onramp());
  const TcpServer server = TcpServer::echo();
  std::vector<TcpConnection> kept;
  std::error_code refused;
  while (!refused && kept.size() < 64) {
    base::Fd socket = client.socket(AF_INET, SOCK_STREAM);
    refused = TcpConnection::try_connect(socket, server.endpoint());
    kept.emplace_back(std::move(socket));
  }
  // At the dial, or, when the dial took the last descriptor, at the accept behind it.
  EXPECT_TRUE(refused.value() == ECONNREFUSED || refused.value() == ECONNRESET) << refused;
  EXPECT_GE(gateway.flows().size(), 5U);
  kept.front().send("still here");
  EXPECT_EQ(kept.front().receive(10), "still here");
}

// A tunnel costs a descriptor: whoever opens all that he can must not have them all.
TEST(Famine, OfOneTenantsMakingLeavesTheOtherItsTunnelsAndDials) {
  GatewayProcess gateway({.tenants = "\n  - {name: greedy, id: 1}\n  - {name: modest, id: 2}",
                          .most_descriptors = 200});
  ClientNetwork modest(gateway.onramp(), {.tenant = "modest"});
  std::vector<TunnelConnection> opened;
  nlohmann::json refusal;
  while (refusal.is_null() && opened.size() < 200) {
    opened.push_back(TunnelConnection::open(gateway.onramp(), {.tenant = "greedy"}));
    if (const nlohmann::json& reply = opened.back().reply(); !reply.value("ok", false)) {
      refusal = reply;
      opened.pop_back();
    }
  }
  ASSERT_TRUE(refusal.is_object());
  EXPECT_TRUE(refusal.at("error").get<std::string>().starts_with("tenant 'greedy' has "))
      << refusal;
  EXPECT_GT(opened.size(), 50U) << "a good part of them";
  EXPECT_EQ(drops(gateway)["tenant_tunnel_limit"], 1U);

  const TcpServer server = TcpServer::echo();
  std::vector<TcpConnection> connections;
  for (int i = 0; i < 10; ++i) {
    connections.push_back(modest.connect(server.endpoint()));
    connections.back().send("hello");
    EXPECT_EQ(connections.back().receive(5), "hello");
  }
  const auto another = TunnelConnection::open(gateway.onramp(), {.tenant = "modest"});
  EXPECT_EQ(another.reply().value("ok", false), true) << another.reply();
  opened.pop_back();  // what is given back may be had again
  EXPECT_TRUE(eventually([&] {
    return TunnelConnection::open(gateway.onramp(), {.tenant = "greedy"})
        .reply()
        .value("ok", false);
  }));
}

// The same with connections and with sockets for datagrams, of which a tenant may have 100,000.
TEST(Famine, OfOneTenantsFlowsLeavesTheOtherItsOwn) {
  GatewayProcess gateway({.tenants = "\n  - {name: greedy, id: 1}\n  - {name: modest, id: 2}",
                          .most_descriptors = 200});
  const ClientNetwork greedy(gateway.onramp(), {.tenant = "greedy"});
  const ClientNetwork modest(gateway.onramp(), {.tenant = "modest"});
  gateway.wait_for_tunnels(2);
  const TcpServer server = TcpServer::echo();
  const UdpServer udp_server = UdpServer::echo();
  std::vector<TcpConnection> taken;
  for (std::error_code refused; !refused && taken.size() < 200;) {
    base::Fd socket = greedy.socket(AF_INET, SOCK_STREAM);
    refused = TcpConnection::try_connect(socket, server.endpoint());
    taken.emplace_back(std::move(socket));
  }
  EXPECT_GT(taken.size(), 30U) << "a good part of them";
  std::vector<UdpClient> askers;
  for (int i = 0; i < 200; ++i) {
    askers.emplace_back(greedy).send_to(udp_server.endpoint(), "x");
  }
  EXPECT_TRUE(eventually([&] { return drops(gateway)["no_descriptor"] > 1; }));

  std::vector<TcpConnection> connections;
  for (int i = 0; i < 5; ++i) {
    connections.push_back(modest.connect(server.endpoint()));
    connections.back().send("hello");
    EXPECT_EQ(connections.back().receive(5), "hello");
  }
  EXPECT_EQ(UdpClient(modest).ask(udp_server.endpoint(), "hello").payload, "hello");
}

TEST(Serve, ConfigurationThatCannotBeReadIsNamedWithTheCure) {
  const Finished finished = run({liftgate_program(), "serve", "--config", "/nope"});
  EXPECT_EQ(finished.status, 1);
  EXPECT_TRUE(finished.err.starts_with(
      "liftgate serve: /nope: cannot be opened: No such file or directory. `liftgate config "))
      << finished;
}

// There is one: another to start from would not help.
TEST(Serve, ConfigurationThatIsThereButNotReadableHasACureOfItsOwn) {
  const test_support::TempDirectory directory;
  std::ofstream(directory.file("secret.yaml")) << "workers: 1\n";
  must_call(::chmod(directory.file("secret.yaml").c_str(), 0), "chmod");
  const Finished secret =
      run({liftgate_program(), "serve", "--config", directory.file("secret.yaml")});
  EXPECT_NE(secret.err.find("Permission denied. Whoever starts liftgate must be allowed to read"),
            std::string::npos)
      << secret;
  const Finished folder = run({liftgate_program(), "serve", "--config", directory.path()});
  EXPECT_NE(folder.err.find("Is a directory. It is a folder"), std::string::npos) << folder;
  for (const Finished& finished : {secret, folder}) {
    EXPECT_EQ(finished.err.find("config default"), std::string::npos) << finished;
  }
}

TEST(Serve, WantOfMemoryIsSaidWithTheCure) {
  // The tables do not fit, or what comes behind them.
  for (const std::string limit : {"100000", "200000"}) {
    const Finished finished =
        run({"sh", "-c", "ulimit -v " + limit + "; exec " + liftgate_program() + " serve"},
            kPatience, {.environment = {"LIFTGATE_SOCKET=/nope/control.sock"}});
    if (finished.err.find("Sanitizer") != std::string::npos) {
      GTEST_SKIP() << "its shadow memory is terabytes";
    }
    EXPECT_EQ(finished.status, 1) << finished;
    EXPECT_NE(finished.err.find("`ulimit -v unlimited`"), std::string::npos) << finished;
    EXPECT_EQ(finished.err.find("bad_alloc"), std::string::npos) << finished;
  }
}

// The loop goes round once more between the sandbox's end and its own.
TEST(Termination, StartsNoSandboxAnew) {
  for (int round = 0; round < 10; ++round) {
    GatewayProcess gateway;
    gateway.stop();
    EXPECT_EQ(gateway.log().find("sandbox restarted"), std::string::npos) << gateway.log();
  }
}

// ~GatewayProcess expects exit status 0, no process and no socket file left.
TEST_F(Faults, TerminationResetsWhatIsOpenAndWritesEveryEnd) {
  TcpConnection connection = connected();
  const std::string audit_path = gateway_.file("audit.jsonl");
  gateway_.signal(SIGTERM);
  EXPECT_EQ(connection.wait_for_end(), End::kReset);
  EXPECT_EQ(server_.wait_for_connection(0).end, End::kReset);
  EXPECT_EQ(gateway_.wait_for_audit("flow_end", 1).front().at("reason"), "shutdown");
}

TEST_F(Faults, FamineAtTheDialRefusesThatFlowAndTheLoopLives) {
  TcpConnection before = connected();
  rlimit plenty{};
  ASSERT_EQ(::prlimit(gateway_.pid(), RLIMIT_NOFILE, nullptr, &plenty), 0);
  const rlimit none{.rlim_cur = 3, .rlim_max = plenty.rlim_max};
  ASSERT_EQ(::prlimit(gateway_.pid(), RLIMIT_NOFILE, &none, nullptr), 0);

  EXPECT_EQ(client_.try_connect(server_.endpoint()).value(), ECONNREFUSED);
  before.send("still here");
  EXPECT_EQ(before.receive(10), "still here");

  ASSERT_EQ(::prlimit(gateway_.pid(), RLIMIT_NOFILE, &plenty, nullptr), 0);
  connected();
  EXPECT_TRUE(eventually([&] {
    return std::ranges::any_of(gateway_.audit(), [](const auto& line) {
      return line.at("event") == "flow_end" && line.at("reason") == "no_descriptor";
    });
  }));
}

// The other half of the famine: a descriptor for the dial, none for the accept.
TEST_F(Faults, FamineAtTheAcceptResetsThatConnectionOnly) {
  TcpConnection before = connected();
  rlimit plenty{};
  ASSERT_EQ(::prlimit(gateway_.pid(), RLIMIT_NOFILE, nullptr, &plenty), 0);
  // The limit is on the number of a descriptor, and a new one gets the lowest that is free.
  rlim_t free_number = 0;
  while (std::filesystem::is_symlink("/proc/" + std::to_string(gateway_.pid()) + "/fd/" +
                                     std::to_string(free_number))) {
    ++free_number;
  }
  const rlimit one_more{.rlim_cur = free_number + 1, .rlim_max = plenty.rlim_max};
  ASSERT_EQ(::prlimit(gateway_.pid(), RLIMIT_NOFILE, &one_more, nullptr), 0);

  // A control connection that was just ending may have left room for one more, which then works.
  std::vector<TcpConnection> lucky;
  bool was_reset = false;
  while (!was_reset && lucky.size() < 3) {
    base::Fd socket = client_.socket(AF_INET, SOCK_STREAM);
    if (const auto error = TcpConnection::try_connect(socket, server_.endpoint())) {
      ASSERT_EQ(error.value(), ECONNRESET);  // which may be here before connect(2) has returned
      was_reset = true;
      break;
    }
    TcpConnection connection(std::move(socket));
    was_reset = connection.wait_for_end(1s) == End::kReset;
    lucky.push_back(std::move(connection));
  }
  EXPECT_TRUE(was_reset);
  before.send("still here");
  EXPECT_EQ(before.receive(10), "still here");

  ASSERT_EQ(::prlimit(gateway_.pid(), RLIMIT_NOFILE, &plenty, nullptr), 0);
  connected();
}

// A router drops, it does not block.
TEST_F(Faults, TunnelThatDoesNotReadLosesItsPacketsAndNobodyElses) {
  std::optional<TunnelConnection> stuck =
      TunnelConnection::open(gateway_.onramp(), {.name = "stuck", .addresses = {"100.64.0.7/32"}});
  const auto sender = TunnelConnection::open(gateway_.onramp(), {.addresses = {"100.64.0.8/32"}});
  const auto packet =
      test_support::udp("100.64.0.8:1000", "100.64.0.7:2000").payload(1'300).build();
  std::uint64_t sent = 0;
  ASSERT_TRUE(eventually([&] {
    for (int i = 0; i < 100; ++i, ++sent) {
      sender.send(packet);
    }
    return drops(gateway_).at("tunnel_queue_full") > 0;
  }));
  connected();

  // What waited for it, a mebibyte, is lost with it, and counted.
  stuck.reset();
  EXPECT_TRUE(eventually([&] { return drops(gateway_).at("tunnel_write_failed") >= 500; }))
      << drops(gateway_).at("tunnel_write_failed") << " of " << sent;
}

}  // namespace
}  // namespace integration
