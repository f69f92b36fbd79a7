// What the processes of a gateway may still do, as the kernel has it: /proc/PID/status of the real
// ones. That a forbidden call ends a process: tests/netns/permissions_test.cc.

#include <csignal>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/servers.h"
#include "tests/support/sandbox_support.h"

namespace integration {
namespace {

using test_support::status_of;

constexpr const char* kNoCapability = "0000000000000000";

// Sanitizers make calls of their own, so that such a build has a filter for its helper only.
bool has_filter(const GatewayProcess& gateway) {
  return gateway.log().find("a build with sanitizers") == std::string::npos;
}

std::vector<pid_t> threads_of(pid_t pid) {
  std::vector<pid_t> threads;
  for (const auto& task :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    threads.push_back(std::stoi(task.path().filename()));
  }
  return threads;
}

void expect_confined(pid_t thread, bool filtered) {
  EXPECT_EQ(status_of(thread, "NoNewPrivs"), "1") << thread;
  EXPECT_EQ(status_of(thread, "CapEff"), kNoCapability) << thread;
  EXPECT_EQ(status_of(thread, "CapPrm"), kNoCapability) << thread;
  EXPECT_EQ(status_of(thread, "Seccomp"), filtered ? "2" : "0") << thread;
}

std::string core_limit(pid_t pid) {
  std::ifstream limits("/proc/" + std::to_string(pid) + "/limits");
  for (std::string line; std::getline(limits, line);) {
    if (line.starts_with("Max core file size")) {
      return line.substr(26, line.find(' ', 26) - 26);
    }
  }
  return "?";
}

TEST(Confinement, EveryThreadAndTheHelperAreConfined) {
  const GatewayProcess gateway;
  ASSERT_TRUE(eventually([&] { return gateway.log().find("ready") != std::string::npos; }));
  EXPECT_NE(gateway.log().find("confined in_force=\"no new privileges, Landlock"),
            std::string::npos);
  const auto threads = threads_of(gateway.pid());
  EXPECT_GE(threads.size(), 3U) << "control, shard, audit log";
  for (const pid_t thread : threads) {
    expect_confined(thread, has_filter(gateway));
  }
  EXPECT_EQ(core_limit(gateway.pid()), "0");
  const auto helpers = gateway.children();
  ASSERT_EQ(helpers.size(), 1U);
  expect_confined(helpers.front(), true);
}

TEST(Confinement, HelperThatAConfinedGatewayStartsWorksAndIsConfined) {
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());
  const TcpServer server = TcpServer::echo();
  const pid_t first = gateway.children().at(0);
  ::kill(first, SIGKILL);
  ASSERT_TRUE(eventually([&] { return gateway.flowctl({"stats"}).at("sandbox_restarts") == 1; }));
  TcpConnection connection = client.connect(server.endpoint());
  connection.send("x");
  EXPECT_EQ(connection.receive(1), "x");
  const auto helpers = gateway.children();
  ASSERT_EQ(helpers.size(), 1U);
  EXPECT_NE(helpers.front(), first);
  expect_confined(helpers.front(), true);
}

TEST(Confinement, AuditLogIsMadeAnewAfterARotation) {
  const GatewayProcess gateway;
  ASSERT_TRUE(eventually([&] { return gateway.log().find("ready") != std::string::npos; }));
  std::filesystem::rename(gateway.file("audit.jsonl"), gateway.file("audit.1"));
  gateway.signal(SIGHUP);
  EXPECT_TRUE(eventually([&] { return std::filesystem::exists(gateway.file("audit.jsonl")); }))
      << gateway.log();
}

TEST(Confinement, ConfigurationElsewhereIsRefusedWithTheWayOut) {
  const GatewayProcess gateway;
  ASSERT_TRUE(eventually([&] { return gateway.log().find("ready") != std::string::npos; }));
  const test_support::TempDirectory elsewhere;
  std::filesystem::copy(gateway.file("config.yaml"), elsewhere.file("config.yaml"));
  const Finished refused = run({liftgate_program(), "reload", "--socket", gateway.control(),
                                "--config", elsewhere.file("config.yaml")});
  EXPECT_EQ(refused.status, 1) << refused;
  EXPECT_NE(refused.err.find("cannot be opened: Permission denied. The gateway is confined"),
            std::string::npos)
      << refused;
  std::filesystem::copy(gateway.file("config.yaml"), gateway.file("new.yaml"));
  const Finished taken = run({liftgate_program(), "reload", "--socket", gateway.control(),
                              "--config", gateway.file("new.yaml")});
  EXPECT_EQ(taken.status, 0) << taken;
}

TEST(Confinement, OffIsSaidAndNothingIsInForce) {
  const GatewayProcess gateway({.more = "confine: off"});
  ASSERT_TRUE(eventually([&] { return gateway.log().find("ready") != std::string::npos; }));
  EXPECT_NE(gateway.log().find("not confined"), std::string::npos);
  for (const pid_t thread : threads_of(gateway.pid())) {
    EXPECT_EQ(status_of(thread, "Seccomp"), "0");
    EXPECT_EQ(status_of(thread, "NoNewPrivs"), "0");
  }
  const auto helpers = gateway.children();
  ASSERT_EQ(helpers.size(), 1U);
  EXPECT_EQ(status_of(helpers.front(), "Seccomp"), "0");
  EXPECT_EQ(status_of(helpers.front(), "CapEff"), kNoCapability) << "that it never needs";
}

TEST(Confinement, CommandOfRunInheritsNothingOfIt) {
  const test_support::TempDirectory directory;
  std::ofstream(directory.file("file")) << "x";
  const Finished finished =
      run({liftgate_program(), "run", "--", "sh", "-c",
           // Once the gateway is confined: its parent's line says so.
           "until grep -q '^NoNewPrivs:.1' /proc/$PPID/status; do :; done; "
           "cat file && echo y >new && cat new && grep -E '^(Seccomp|NoNewPrivs):' "
           "/proc/self/status && ulimit -Hc"},
          kPatience,
          {.environment = {"LIFTGATE_SOCKET=" + directory.file("control.sock")},
           .working_directory = directory.path()});
  EXPECT_EQ(finished.status, 0) << finished;
  EXPECT_EQ(finished.out.substr(0, finished.out.rfind('\n', finished.out.size() - 2) + 1),
            "xy\nNoNewPrivs:\t1\nSeccomp:\t0\n");
}

TEST(Confinement, BothProcessesOfRunAreConfined) {
  const test_support::TempDirectory directory;
  Program program =
      Program::start({liftgate_program(), "run", "--", "cat"},
                     {.keep_input_open = true,
                      .environment = {"LIFTGATE_SOCKET=" + directory.file("control.sock")}});
  const auto is_confined = [](pid_t pid) { return status_of(pid, "NoNewPrivs") == "1"; };
  EXPECT_TRUE(eventually([&] { return is_confined(program.pid()); }));
  EXPECT_TRUE(eventually([&] {
    const auto below = descendants_of(program.pid());
    return below.size() == 4 && std::ranges::all_of(below, is_confined);
  })) << "the gateway, two helpers, the command";
  program.end_input();
  EXPECT_EQ(program.wait().status, 0);
}

}  // namespace
}  // namespace integration
