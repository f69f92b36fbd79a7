// `liftgate run`: any command in a network of its own, and everything about it as if it were run
// without.
//
//     the test --starts--> liftgate run --starts--> the command, in its own network
//     servers on the host network <==TCP== gateway <==TUN== the command

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/program.h"
#include "integration/support/pseudo_terminal.h"
#include "integration/support/servers.h"
#include "tests/support/temp_directory.h"

namespace integration {
namespace {

// Dead, though perhaps not yet waited for by whoever inherited it.
bool is_dead(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string number;
  std::string name;
  char state = 'X';
  stat >> number >> name >> state;
  return state == 'Z' || state == 'X';
}

class Run : public testing::Test {
 protected:
  ProgramOptions options() const {
    return {.environment = {"LIFTGATE_SOCKET=" + directory_.file("control.sock")}};
  }
  Program::Words words(const Program::Words& arguments) const {
    Program::Words all{liftgate_program(), "run"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return all;
  }
  Finished liftgate_run(const Program::Words& arguments) const {
    return run(words(arguments), kPatience, options());
  }
  Program start(const Program::Words& arguments) const {
    return Program::start(words(arguments), options());
  }
  std::string file(const std::string& name) const { return directory_.file(name); }

  // Of every test: nothing of the gateway is left.
  ~Run() override {
    EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(file("control.sock")); }));
    EXPECT_TRUE(
        eventually([&] { return std::ranges::all_of(descendants_of(::getpid()), is_dead); }));
  }

  test_support::TempDirectory directory_;
};

TEST_F(Run, ExitStatusIsTheCommands) {
  EXPECT_EQ(liftgate_run({"--", "sh", "-c", "exit 7"}).status, 7);
  EXPECT_EQ(liftgate_run({"--", "true"}).status, 0);
}

TEST_F(Run, DeathBySignalIsTheCommands) {
  EXPECT_EQ(liftgate_run({"--", "sh", "-c", "kill -TERM $$"}).status, 128 + SIGTERM);
}

TEST_F(Run, UnknownCommandIsReportedAsShellsDo) {
  const Finished finished = liftgate_run({"--", "no-such-program"});
  EXPECT_EQ(finished.status, 127);
  EXPECT_NE(finished.err.find("no-such-program"), std::string::npos);
}

TEST_F(Run, SignalsReachTheCommand) {
  Program program = start({"--", "sh", "-c",
                           "trap 'echo usr1' USR1; trap 'echo term; exit 3' TERM; echo ready; "
                           "while :; do sleep 0.05; done"});
  ASSERT_TRUE(eventually([&] { return program.out() == "ready\n"; }));
  program.signal(SIGUSR1);
  ASSERT_TRUE(eventually([&] { return program.out() == "ready\nusr1\n"; }));
  program.signal(SIGTERM);
  const Finished finished = program.wait();
  EXPECT_EQ(finished.status, 3);
  EXPECT_EQ(finished.out, "ready\nusr1\nterm\n");
}

// As in `xterm -e liftgate run`: whoever leads the session is the only one whom the kernel tells.
TEST_F(Run, ClosedTerminalEndsTheCommandOfASessionsLeader) {
  PseudoTerminal terminal(words({"--", "sh", "-c", "echo ready; exec sleep 1000"}), 80, 10,
                          options().environment);
  ASSERT_TRUE(terminal.shows("ready"));
  terminal.hang_up();
  EXPECT_EQ(terminal.wait(), 128 + SIGHUP);
}

// In a shell's session it is the shell's part, or the kernel's when the shell has ended.
TEST_F(Run, ClosedTerminalEndsTheCommandOfAShell) {
  PseudoTerminal terminal(
      {"/bin/sh", "-c",
       liftgate_program() + " run -- sh -c '" + "trap \"echo hup >>" + file("got") +
           "\" HUP; echo ready; " + "while ! test -e " + file("got") + "; do sleep 0.02; done'; :"},
      80, 10, options().environment);
  ASSERT_TRUE(terminal.shows("ready"));
  terminal.hang_up();
  EXPECT_EQ(terminal.wait(), 128 + SIGHUP);
  EXPECT_TRUE(eventually([&] { return std::filesystem::exists(file("got")); }));
}

TEST_F(Run, SettingsThatAreNotForItAreNamedOnce) {
  std::ofstream(file("run.yaml")) << "telemetry: {listen: '127.0.0.1:0'}\nlog: {level: debug}\n";
  const Finished finished = liftgate_run({"--config", file("run.yaml"), "--", "true"});
  EXPECT_EQ(finished.status, 0) << finished;
  EXPECT_EQ(finished.err, "liftgate run: " + file("run.yaml") +
                              ": not for `run`, and ignored: telemetry.listen, log.level (only "
                              "warnings and errors are written)\n");
}

TEST_F(Run, CommandKeepsItsUidAndHasItsOwnNetwork) {
  const Finished finished = liftgate_run({"--", "sh", "-c", "id -u; readlink /proc/self/ns/net"});
  EXPECT_EQ(finished.out.substr(0, finished.out.find('\n')), std::to_string(::getuid()));
  EXPECT_EQ(finished.out.find(std::filesystem::read_symlink("/proc/self/ns/net").string()),
            std::string::npos);
}

TEST_F(Run, CurlReachesServersOverBothFamilies) {
  for (const auto& address : {host::kServer4, host::kServer6}) {
    const TcpServer server = TcpServer::program(
        {"sh", "-c", R"(read -r _; printf 'HTTP/1.0 200 OK\r\n\r\nfrom outside\n')"}, address);
    const Finished finished = liftgate_run({"--", "curl", "-sS", url_of(server.endpoint())});
    EXPECT_EQ(finished.out, "from outside\n") << finished;
  }
}

TEST_F(Run, HostsLoopbackIsReachedOnlyByTheAddressThatWasMapped) {
  const TcpServer server = TcpServer::half_closing("from the loopback", "127.0.0.1");
  const std::string port = std::to_string(server.port());
  const std::string read = "exec 3<>/dev/tcp/$0/" + port + " && cat <&3";
  EXPECT_NE(liftgate_run({"--", "bash", "-c", read, "127.0.0.1"}).status, 0);
  EXPECT_EQ(
      liftgate_run({"--map-host", "198.18.255.9", "--", "bash", "-c", read, "198.18.255.9"}).out,
      "from the loopback");
  EXPECT_EQ(server.connections().size(), 1U);
}

TEST_F(Run, AuditHasOneStartAndOneEndPerFlow) {
  const TcpServer server = TcpServer::half_closing("x");
  const std::string once = "cat </dev/tcp/" + host::kServer4 + "/" + std::to_string(server.port());
  const Finished finished = liftgate_run(
      {"--audit", file("flows.jsonl"), "--", "bash", "-c", once + "; " + once + "; " + once});
  EXPECT_EQ(finished.out, "xxx") << finished;
  std::map<std::uint64_t, std::string> events;
  std::ifstream log(file("flows.jsonl"));
  for (std::string line; std::getline(log, line);) {
    const auto event = nlohmann::json::parse(line);
    events[event.at("id")] += event.at("event").get<std::string>() + " ";
  }
  EXPECT_EQ(events.size(), 3U);
  for (const auto& [id, of_flow] : events) {
    EXPECT_EQ(of_flow, "flow_start flow_end ") << "flow " << id;
  }
}

TEST_F(Run, RuleThatRejectsIsARefusalForTheCommand) {
  std::ofstream(file("config.yaml"))
      << "rules:\n  - {name: no, match: {destination: [192.0.2.0/24]}, action: reject}\n";
  const TcpServer server = TcpServer::echo();
  const Finished finished = liftgate_run(
      {"--config", file("config.yaml"), "--", "curl", "-sS", url_of(server.endpoint())});
  EXPECT_EQ(finished.status, 7) << finished;  // CURLE_COULDNT_CONNECT
  EXPECT_EQ(server.connections().size(), 0U);
}

// The command's kernel still holds most of it when the command has ended.
TEST_F(Run, WhatTheCommandWroteLastArrives) {
  const TcpServer server = TcpServer::discard();
  const Finished finished = liftgate_run({"--", "bash", "-c",
                                          "head -c 20000000 /dev/zero >/dev/tcp/" + host::kServer4 +
                                              "/" + std::to_string(server.port())});
  EXPECT_EQ(finished.status, 0) << finished;
  EXPECT_EQ(server.wait_for_connection(0).received_bytes, 20'000'000U);
}

// The sandbox's kernel holds it then, and nothing of it passes the command's TUN any more.
TEST_F(Run, WhatASlowServerHasNotReadYetArrives) {
  const TcpServer server = TcpServer::program(
      {"bash", "-c",
       "while n=$(head -c 60000 | wc -c); [ $n -gt 0 ]; do echo $n; sleep 0.1; done >'" +
           file("read") + "'"});
  const Finished finished = liftgate_run({"--", "bash", "-c",
                                          "head -c 3000000 /dev/zero >/dev/tcp/" + host::kServer4 +
                                              "/" + std::to_string(server.port())});
  EXPECT_EQ(finished.status, 0) << finished;
  std::uint64_t read = 0;
  EXPECT_TRUE(eventually([&] {
    std::ifstream pieces(file("read"));
    read = 0;
    for (std::uint64_t piece = 0; pieces >> piece;) {
      read += piece;
    }
    return read == 3'000'000;
  })) << read;
}

// At this bandwidth it would take 80 s.
TEST_F(Run, TerminationEndsTheWaitForWhatTheCommandWroteLast) {
  std::ofstream(file("config.yaml")) << "tenants: [{name: default, bandwidth: 200kbit/s}]\n";
  const TcpServer server = TcpServer::discard();
  Program program = start({"--config", file("config.yaml"), "--", "bash", "-c",
                           "head -c 2000000 /dev/zero >/dev/tcp/" + host::kServer4 + "/" +
                               std::to_string(server.port()) + "; echo written"});
  ASSERT_TRUE(eventually([&] { return !program.out().empty(); }));
  EXPECT_TRUE(eventually([&] {
    program.signal(SIGTERM);  // the first may still find the command
    return !program.is_running();
  }));
  EXPECT_LT(server.wait_for_connection(0).received_bytes, 2'000'000U);
}

// The network ends with the command, so whatever would go on without one is ended, too.
TEST_F(Run, WhatTheCommandLeavesBehindEndsWithIt) {
  const Finished finished = liftgate_run(
      {"--", "sh", "-c", "sleep 1000 & setsid sh -c 'sleep 1000 & wait' & trap '' TERM; exit 5"});
  EXPECT_EQ(finished.status, 5) << finished;
}

TEST_F(Run, WhatDoesNotHeedItsEndIsKilled) {
  const Finished finished = liftgate_run(
      {"--", "sh", "-c", "(trap '' TERM; echo ready; sleep 1000) & read -r _ </dev/zero & exit 6"});
  EXPECT_EQ(finished.status, 6) << finished;
}

TEST_F(Run, TerminationReachesWhatTheCommandHasStarted) {
  Program program = start({"--", "sh", "-c", "sleep 1000 & echo $!; wait"});
  ASSERT_TRUE(eventually([&] { return !program.out().empty(); }));
  program.signal(SIGTERM);
  EXPECT_EQ(program.wait().status, 128 + SIGTERM);
  EXPECT_TRUE(is_dead(std::stoi(program.out())));
}

TEST_F(Run, EverythingDiesWithLiftgateWhicheverOfItsProcessesIsKilled) {
  for (const bool gateway_itself : {false, true}) {
    Program program = start({"--", "sh", "-c", "sleep 1000 & echo $!; wait"});
    ASSERT_TRUE(eventually([&] { return !program.out().empty(); }));
    const auto below = descendants_of(program.pid());
    if (gateway_itself) {
      ::kill(below.front(), SIGKILL);
    } else {
      program.signal(SIGKILL);
    }
    EXPECT_EQ(program.wait().status, 128 + SIGKILL);
    EXPECT_TRUE(eventually([&] { return std::ranges::all_of(below, is_dead); }));
    std::filesystem::remove(file("control.sock"));  // where nobody was left to do it
  }
}

TEST_F(Run, SignalsThatWereIgnoredStayIgnored) {
  Program program = Program::start({"nohup", liftgate_program(), "run", "--", "sh", "-c",
                                    "grep SigIgn /proc/self/status; echo; while ! test -e " +
                                        file("done") + "; do sleep 0.02; done"},
                                   options());
  ASSERT_TRUE(eventually([&] { return program.out().find("\n\n") != std::string::npos; }));
  EXPECT_EQ(program.out(), "SigIgn:\t0000000000000001\n\n");
  program.signal(SIGHUP);
  EXPECT_TRUE(program.is_running());
  std::ofstream(file("done")) << "\n";
  EXPECT_EQ(program.wait().status, 0);
}

TEST_F(Run, WantOfDescriptorsIsNoFailureOfTheCommand) {
  for (const char* limit : {"4", "8", "12", "16", "17", "18", "19", "20", "21", "24"}) {
    const Finished finished =
        run({"prlimit", "--nofile=" + std::string(limit), liftgate_program(), "run", "--", "true"},
            kPatience, options());
    EXPECT_NE(finished.status, 126) << limit << " " << finished;
    EXPECT_TRUE(finished.status == 0 ||
                finished.err.find("Too many open files") == std::string::npos ||
                finished.err.find("ulimit -n") != std::string::npos)
        << limit << " " << finished;
  }
}

TEST_F(Run, GatewayThatAnswersAtItsSocketIsLeftAlone) {
  const GatewayProcess gateway;
  const ProgramOptions same{.environment = {"LIFTGATE_SOCKET=" + gateway.control()}};
  const Finished finished =
      run({liftgate_program(), "run", "--", "sh", "-c", "ls " + gateway.file("run-*.sock")},
          kPatience, same);
  EXPECT_EQ(finished.status, 0) << finished;
  EXPECT_EQ(gateway.flowctl({"tunnels"}).size(), 0U);
}

TEST_F(Run, CommandDiesWithLiftgate) {
  Program program = start({"--", "sh", "-c", "echo $$; exec sleep 1000"});
  ASSERT_TRUE(eventually([&] { return !program.out().empty(); }));
  const pid_t command = std::stoi(program.out());
  program.signal(SIGKILL);
  (void)program.wait();
  EXPECT_TRUE(eventually([&] { return is_dead(command); }));
  std::filesystem::remove(file("control.sock"));  // nobody was left to do it
}

}  // namespace
}  // namespace integration
