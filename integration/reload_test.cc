// A gateway takes over other rules while it carries traffic: what they do not forbid goes on.
//
//     [client 100.64.0.2]==SEQPACKET==gateway==== servers
//                                        |
//                         liftgate reload, SIGHUP

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/servers.h"
#include "integration/support/tunnels.h"
#include "integration/support/udp_client.h"
#include "tests/support/packet_builder.h"
#include "tests/support/temp_directory.h"

namespace integration {
namespace {

constexpr auto kBefore = R"(
  - {name: all, action: upgrade})";

class Reload : public testing::Test {
 protected:
  // The gateway's file, with other rules, or a copy of it with other words at the end.
  void write_config(const std::string& rules, const std::string& more = "") const {
    std::ifstream file(gateway_.file("config.yaml"));
    std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::size_t begin = text.find("rules:");
    const std::size_t end = text.find("\n", text.find("action: upgrade}", begin));
    text.replace(begin, end - begin, "rules:" + rules);
    std::ofstream(gateway_.file("new.yaml")) << text << more;
  }
  Finished reload() const {
    return run({liftgate_program(), "reload", "--socket", gateway_.control(), "--config",
                gateway_.file("new.yaml")});
  }

  const GatewayProcess gateway_{{.rules = kBefore, .flows = kQuickTimeWait}};
  const ClientNetwork client_{gateway_.onramp(), {.name = "laptop-17"}};
};

TEST_F(Reload, FlowsThatTheNewRulesForbidEndAndTheOthersDoNot) {
  const TcpServer server = TcpServer::echo();
  const UdpServer udp_server = UdpServer::echo();
  TcpConnection forbidden = client_.connect(server.endpoint());
  const TcpServer other = TcpServer::echo(host::kOtherServer4);
  TcpConnection allowed = client_.connect(other.endpoint());
  const UdpClient udp(client_);
  EXPECT_EQ(udp.ask(udp_server.endpoint(), "before").payload, "before");

  write_config("\n  - {name: no-server, match: {destination: " + host::kServer4 +
               ", protocol: tcp}, action: reject}" + kBefore);
  const Finished done = reload();
  EXPECT_EQ(done.status, 0) << done;
  EXPECT_EQ(done.out, "2 rules are in force; 1 flows have ended that they forbid\n");

  EXPECT_EQ(forbidden.wait_for_end(), End::kReset);
  allowed.send("still here");
  EXPECT_EQ(allowed.receive(10), "still here");
  EXPECT_EQ(udp.ask(udp_server.endpoint(), "after").payload, "after");
  EXPECT_EQ(client_.try_connect(server.endpoint()), std::errc::connection_refused);
  const auto ends = gateway_.wait_for_audit("flow_end", 1);
  EXPECT_EQ(ends[0].at("reason"), "policy");
  EXPECT_EQ(ends[0].at("rule"), "all") << "the one that had let it in";
  EXPECT_EQ(gateway_.flowctl({"flows", "rule=no-server"}).size(), 1U);
}

// It looked at the types of pings that the gateway sends itself only.
TEST_F(Reload, ForwardedPingsThatTheNewRulesForbidEnd) {
  const auto near = TunnelConnection::open(gateway_.onramp(), {.addresses = {"100.64.0.7/32"}});
  const auto far = TunnelConnection::open(gateway_.onramp(), {.addresses = {"100.64.0.8/32"}});
  wait_for_tunnels(gateway_, 3);
  write_config("\n  - {name: first, match: {protocol: icmp}, action: forward}" +
               std::string(kBefore));
  ASSERT_EQ(reload().status, 0);
  near.send(test_support::echo_request("100.64.0.7", "100.64.0.8", 77).build());
  ASSERT_TRUE(far.receive());

  write_config(
      "\n  - {name: no-ping, match: {icmp_type: echo_request}, action: drop}"
      "\n  - {name: first, match: {protocol: icmp}, action: forward}" +
      std::string(kBefore));
  EXPECT_EQ(reload().out, "3 rules are in force; 1 flows have ended that they forbid\n");
  EXPECT_EQ(gateway_.wait_for_audit("flow_end", 1)[0].at("reason"), "policy");
}

TEST_F(Reload, MarksAreGivenToNewFlowsAndTheOthersStayAsTheyAre) {
  const TcpServer server = TcpServer::echo();
  const TcpConnection first = client_.connect(server.endpoint());
  write_config("\n  - {name: all, action: upgrade, mark: 0x17, dscp: ef}");
  const Finished done = reload();
  EXPECT_EQ(done.status, 0) << done;
  EXPECT_EQ(done.out, "1 rules are in force; 0 flows have ended that they forbid\n");
  const TcpConnection second = client_.connect(server.endpoint());
  EXPECT_EQ(gateway_.flowctl({"flows", "mark=0", "dscp=none"}).size(), 1U);
  EXPECT_EQ(gateway_.flowctl({"flows", "mark=0x17", "dscp=ef"}).size(), 1U);
}

TEST_F(Reload, MistakesChangeNothingAndAreAllSaid) {
  const TcpServer server = TcpServer::echo();
  write_config(
      "\n  - {name: a, action: refuse}\n  - {name: b, match: {time: 25:00}, action: drop}");
  const Finished done = reload();
  EXPECT_EQ(done.status, 1) << done;
  EXPECT_NE(done.err.find("rules[0].action: expected upgrade, forward, reject or drop"),
            std::string::npos)
      << done;
  EXPECT_NE(done.err.find("rules[1].match.time: expected two times of the day"), std::string::npos)
      << done;
  EXPECT_NE(done.err.find("nothing has changed"), std::string::npos) << done;
  EXPECT_FALSE(client_.try_connect(server.endpoint()));
}

TEST_F(Reload, WhatNeedsARestartIsNamed) {
  write_config(kBefore, "\nhandshake: eager\nnat: {bindings: 1000}\n");
  const Finished done = reload();
  EXPECT_EQ(done.status, 0) << done;
  EXPECT_EQ(done.out,
            "1 rules are in force; 0 flows have ended that they forbid\n"
            "nat: holds after a restart\nhandshake: holds after a restart\n");
}

TEST_F(Reload, NobodyThereIsExitCode3) {
  const Finished done = run({liftgate_program(), "reload", "--socket", gateway_.file("none.sock")});
  EXPECT_EQ(done.status, 3) << done;
}

// As flowctl finds it: the socket of a run is beside that of the daemon, if there were one.
TEST(ReloadWithoutADaemon, FindsTheOneRunThatThereIs) {
  const test_support::TempDirectory directory;
  std::ofstream(directory.file("run.yaml")) << "rules: [{name: all, action: upgrade}]\n";
  const ProgramOptions options{
      .keep_input_open = true,
      .environment = {"LIFTGATE_SOCKET=", "XDG_RUNTIME_DIR=" + directory.path()}};
  const Finished none = run({liftgate_program(), "reload"}, kPatience, options);
  EXPECT_EQ(none.status, 3) << none;
  EXPECT_NE(none.err.find("liftgate reload: no liftgate answers (connect "), std::string::npos)
      << none;
  Program only = Program::start({liftgate_program(), "run", "--config", directory.file("run.yaml"),
                                 "--", "sh", "-c", "echo ready; read -r _"},
                                options);
  ASSERT_TRUE(eventually([&] { return only.out() == "ready\n"; }));
  const Finished done = run({liftgate_program(), "reload"}, kPatience, options);
  EXPECT_EQ(done.status, 0) << done;
  EXPECT_EQ(done.out, "1 rules are in force; 0 flows have ended that they forbid\n");
  only.end_input();
  EXPECT_EQ(only.wait().status, 1) << "read(1) at the end of its input";
}

TEST_F(Reload, SighupTakesTheFileOverAndOpensTheAuditLogAgain) {
  const TcpServer server = TcpServer::echo();
  write_config("\n  - {name: nobody, action: reject}");
  std::filesystem::rename(gateway_.file("new.yaml"), gateway_.file("config.yaml"));
  std::filesystem::rename(gateway_.file("audit.jsonl"), gateway_.file("audit.old"));
  gateway_.signal(SIGHUP);
  EXPECT_TRUE(eventually(
      [&] { return gateway_.log().find("configuration reloaded") != std::string::npos; }));
  EXPECT_EQ(client_.try_connect(server.endpoint()), std::errc::connection_refused);
  EXPECT_EQ(gateway_.wait_for_audit("flow_start", 1)[0].at("rule"), "nobody");
  const std::string log = gateway_.log();
  const std::size_t said = log.find("audit log");
  EXPECT_NE(said, std::string::npos) << log;
  EXPECT_EQ(log.find("audit log", said + 1), std::string::npos) << "once: " << log;
}

TEST(ReloadBySignal, MistakeIsLoggedSoThatTheLineCanBeTakenApart) {
  const GatewayProcess gateway({.audit = ""});
  std::ofstream(gateway.file("config.yaml")) << "rule: []\n";
  gateway.signal(SIGHUP);
  EXPECT_TRUE(eventually([&] {
    return gateway.log().find(R"(:1:1: rule: unknown key, did you mean \"rules\"?")"
                              "\n") != std::string::npos;
  })) << gateway.log();
  EXPECT_EQ(gateway.log().find("audit log"), std::string::npos) << "there is none";
}

// Under load: 64 MiB up, and a counter that is echoed, while the rules change fifty times. Nothing
// is lost, and nothing comes twice.
TEST_F(Reload, LosesNoPacketOfAFlowThatIsNotForbidden) {
  constexpr std::uint64_t kBytes = 64U << 20U;
  const TcpServer source = TcpServer::source(kBytes);
  const UdpServer echo = UdpServer::echo();
  std::atomic<bool> over = false;
  std::uint64_t received = 0;
  End end = End::kNone;
  // Made here: a client network makes one socket at a time.
  TcpConnection connection = client_.connect(source.endpoint());
  const UdpClient udp(client_);
  std::thread transfer([&] {
    end = connection.drain([&](std::span<const std::byte> some) { received += some.size(); });
    over = true;
  });
  std::uint32_t answered = 0;
  std::uint32_t asked = 0;
  std::thread counter([&] {
    for (; !over || asked < 100; ++asked) {
      answered += udp.ask(echo.endpoint(), std::to_string(asked)).payload == std::to_string(asked);
    }
  });
  for (int i = 0; i < 50; ++i) {
    write_config("\n  - {name: mail-" + std::to_string(i % 2) +
                 ", match: {destination_port: 25}, action: reject}" + kBefore);
    EXPECT_EQ(reload().status, 0);
  }
  transfer.join();
  counter.join();
  EXPECT_EQ(received, kBytes);
  EXPECT_EQ(end, End::kFin);
  EXPECT_EQ(answered, asked);
  EXPECT_EQ(gateway_.flowctl({"stats"}).at("flows_opened"), 2U) << "no flow was begun anew";
}

}  // namespace
}  // namespace integration
