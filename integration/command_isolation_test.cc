// What the command of `liftgate run` can do to the gateway that watches it, and to others of its
// user: it has their uid, and must not have their control.
//
//     liftgate run ---- control.sock <----x---- flowctl, liftgate reload --+
//        \-- gateway <----------------x---- kill, ptrace, /proc/PID/mem ---+-- the command, inside
//     another gateway of the user  <--x------------------------------------+

#include <sys/syscall.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/program.h"
#include "integration/support/servers.h"
#include "netns/landlock.h"
#include "tests/support/temp_directory.h"

namespace integration {
namespace {

// What ask() says where nothing can be asked.
constexpr auto kNothing = "refused\n";

class CommandIsolation : public testing::Test {
 protected:
  std::string file(const std::string& name) const { return directory_.file(name); }

  // Its end is that of `script`, a shell's, inside.
  static Finished inside(const std::string& script, const Program::Words& options,
                         const Program::Words& environment) {
    Program::Words words{liftgate_program(), "run"};
    words.insert(words.end(), options.begin(), options.end());
    words.insert(words.end(), {"--", "sh", "-c", script});
    return run(words, kPatience, {.environment = environment});
  }
  Finished inside(const std::string& script) const {
    return inside(script, {}, {"LIFTGATE_SOCKET=" + file("control.sock")});
  }
  // Whether flowctl gets an answer from `socket` inside.
  static std::string ask(const std::string& socket) {
    return flowctl_program() + " --socket " + socket + " stats || echo refused";
  }

  // One whose command waits for something to read.
  Program start_waiting(const std::string& then, const Program::Words& environment) const {
    return Program::start({liftgate_program(), "run", "--", "sh", "-c", "read -r _; " + then},
                          {.keep_input_open = true, .environment = environment});
  }
  static bool answers(const std::string& socket) {
    return run({flowctl_program(), "--socket", socket, "stats"}).status == 0;
  }

  test_support::TempDirectory directory_;
};

TEST_F(CommandIsolation, NamedControlSocketDoesNotAnswerIt) {
  const Finished asked = inside(ask(file("control.sock")));
  EXPECT_EQ(asked.out, kNothing) << asked;
}

TEST_F(CommandIsolation, ConfiguredControlSocketDoesNotAnswerIt) {
  std::ofstream(file("config.yaml")) << "control: {path: " << file("mine.sock") << "}\n";
  const Finished asked = inside(ask(file("mine.sock")), {"--config", file("config.yaml")}, {});
  EXPECT_EQ(asked.out, kNothing) << asked;
}

// Where nothing is named, every gateway of the user is in one directory: none of them is there.
TEST_F(CommandIsolation, UsualDirectoryOfControlSocketsIsAnotherOneInside) {
  const Program::Words environment{"LIFTGATE_SOCKET=", "XDG_RUNTIME_DIR=" + directory_.path()};
  Program program = start_waiting("ls -A " + file("liftgate"), environment);
  const auto sockets = [&] {
    std::vector<std::string> found;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(file("liftgate"), none)) {
      found.push_back(entry.path());
    }
    return found;
  };
  ASSERT_TRUE(eventually([&] { return sockets().size() == 1 && answers(sockets().front()); }));
  program.end_input();
  const Finished finished = program.wait();
  EXPECT_EQ(finished.status, 0) << finished;
  EXPECT_EQ(finished.out, "");
}

TEST_F(CommandIsolation, RulesThatItWouldLikeAreNotLoaded) {
  const TcpServer server = TcpServer::half_closing("reached");
  std::ofstream(file("strict.yaml")) << "rules: [{name: no, action: reject}]\n";
  std::ofstream(file("open.yaml")) << "rules: [{name: yes, action: upgrade}]\n";
  const Finished finished =
      inside(liftgate_program() + " reload --socket " + file("control.sock") + " --config " +
                 file("open.yaml") + "; curl -sS " + url_of(server.endpoint()),
             {"--config", file("strict.yaml")}, {"LIFTGATE_SOCKET=" + file("control.sock")});
  EXPECT_EQ(finished.status, 7) << finished;  // CURLE_COULDNT_CONNECT
  EXPECT_EQ(server.connections().size(), 0U);
}

TEST_F(CommandIsolation, DaemonOfItsUserAnswersItNeitherAtItsControlSocketNorAtItsOnramp) {
  const GatewayProcess gateway;
  const Finished finished =
      inside(ask(gateway.control()) + "; test -S " + gateway.onramp() + " && echo there", {},
             {"LIFTGATE_SOCKET=" + gateway.control()});
  EXPECT_EQ(finished.out, kNothing) << finished;
}

// A path that nobody could foresee: another name of the same socket.
TEST_F(CommandIsolation, ControlSocketUnderAnotherNameRefusesIt) {
  Program program =
      start_waiting(flowctl_program() + " --socket " + file("other.sock") + " stats; echo $?",
                    {"LIFTGATE_SOCKET=" + file("control.sock")});
  ASSERT_TRUE(eventually([&] { return answers(file("control.sock")); }));
  std::filesystem::create_hard_link(file("control.sock"), file("other.sock"));
  ASSERT_TRUE(answers(file("other.sock"))) << "outside it is the same";
  program.end_input();
  const Finished finished = program.wait();
  EXPECT_EQ(finished.out, "1\n") << finished;
  EXPECT_NE(finished.err.find("network"), std::string::npos) << finished;
  std::filesystem::remove(file("other.sock"));
}

// From another network that it may make for itself as well.
TEST_F(CommandIsolation, ControlSocketRefusesEveryOtherNetwork) {
  Program program = start_waiting(
      "unshare -Un " + flowctl_program() + " --socket " + file("other.sock") + " stats; echo $?",
      {"LIFTGATE_SOCKET=" + file("control.sock")});
  ASSERT_TRUE(eventually([&] { return answers(file("control.sock")); }));
  std::filesystem::create_hard_link(file("control.sock"), file("other.sock"));
  program.end_input();
  const Finished finished = program.wait();
  EXPECT_NE(finished.err.find("may not control"), std::string::npos) << finished;
}

TEST_F(CommandIsolation, WhatHidesTheSocketIsNotTakenAway) {
  const std::string path = file("control.sock");
  const Finished finished =
      inside("rm -f " + path + "; mv " + path + " " + file("x") + "; unshare -Urm umount " + path +
             "; unshare -Urm sh -c 'mount --bind " + directory_.path() + " /mnt && " +
             flowctl_program() + " --socket /mnt/control.sock stats'; " + ask(path));
  EXPECT_EQ(finished.out, kNothing) << finished;
}

TEST_F(CommandIsolation, GatewayIsNotTraced) {
  const Finished finished = inside(
      "cat /proc/$PPID/mem && echo mem; "
      "for fd in /proc/$PPID/fd/*; do readlink $fd; test -e $fd && echo fd; done; "
      "ls /proc/$PPID/root/ && echo root; readlink /proc/$PPID/ns/net && echo ns; "
      "nsenter --net --target $PPID true && echo joined; "
      "perl -e 'exit(syscall(" +
      std::to_string(SYS_ptrace) + ", 16, $ARGV[0], 0, 0) != -1)' $PPID || echo traced; true");
  EXPECT_EQ(finished.status, 0) << finished;
  EXPECT_EQ(finished.out, "") << finished;
}

TEST_F(CommandIsolation, GatewayGetsNoSignals) {
  if (netns::landlock_version() < netns::SignalScope::kSince) {
    GTEST_SKIP() << "this kernel cannot keep a program's signals inside";
  }
  const Finished finished = inside(
      "kill -STOP $PPID && echo stopped; kill -KILL $PPID && echo killed; sh -c 'exec sleep 1000' "
      "& "
      "kill $! && wait $!; echo $?");
  EXPECT_EQ(finished.out, "143\n") << "its own child gets them: " << finished;
}

TEST_F(CommandIsolation, ARunInsideOfARunHasAControlSocketOfItsOwn) {
  for (const std::string socket : {"", "control.sock"}) {
    const Finished finished = inside(liftgate_program() + " run -- echo deep", {},
                                     {"LIFTGATE_SOCKET=" + (socket.empty() ? "" : file(socket)),
                                      "XDG_RUNTIME_DIR=" + directory_.path()});
    EXPECT_EQ(finished.status, 0) << finished;
    EXPECT_EQ(finished.out, "deep\n");
  }
}

TEST_F(CommandIsolation, FilesBesideTheSocketAreTheUsersOwn) {
  std::ofstream(file("note")) << "mine\n";
  const Finished finished = inside("cat " + file("note") + "; echo new >" + file("made"));
  EXPECT_EQ(finished.out, "mine\n") << finished;
  EXPECT_TRUE(std::filesystem::exists(file("made")));
}

}  // namespace
}  // namespace integration
