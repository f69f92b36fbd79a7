#include "netns/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netns/landlock.h"
#include "tests/support/sandbox_support.h"
#include "tests/support/temp_directory.h"

namespace netns {
namespace {

using base::Fd;
using test_support::endpoint;
using test_support::kPatience;
using test_support::open_descriptors;
using test_support::plain_sandbox;
using testing::HasSubstr;
using testing::Not;

struct Pipe {
  Fd read;
  Fd write;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  CHECK(::pipe2(ends.data(), O_CLOEXEC) == 0);
  return {Fd::adopt(ends[0]), Fd::adopt(ends[1])};
}

struct Outcome {
  int status = -1;
  std::string output;  // standard output and standard error
};

// Runs `command` to its end.
Outcome run(const Sandbox& sandbox, Command command) {
  Pipe output = make_pipe();
  command.stdout_fd = command.stderr_fd = output.write.get();
  const auto child = spawn(sandbox, command);
  if (!child) {
    ADD_FAILURE() << child.error().message();
    return {};
  }
  output.write.reset();
  Outcome outcome;
  outcome.output = test_support::read_all(output.read);
  outcome.status = *wait_for_exit(child->pidfd);
  return outcome;
}

Outcome shell(const Sandbox& sandbox, const std::string& script) {
  return run(sandbox, {.argv = {"sh", "-c", script}});
}

class Spawn : public testing::Test {
 protected:
  void SetUp() override {
    START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
    sandbox_.emplace(std::move(sandbox));
  }

  std::optional<Sandbox> sandbox_;
};

TEST_F(Spawn, ReportsTheExitStatus) {
  EXPECT_EQ(shell(*sandbox_, "exit 42").status, 42);
}

TEST_F(Spawn, ReportsADeathBySignal) {
  EXPECT_EQ(shell(*sandbox_, "kill -TERM $$").status, 128 + SIGTERM);
}

TEST_F(Spawn, AnUnknownProgramIsAnErrorThatLeavesNothing) {
  const std::size_t before = open_descriptors();
  const auto child = spawn(*sandbox_, {.argv = {"no-such-program"}});
  ASSERT_FALSE(child);
  EXPECT_EQ(child.error().code.value(), ENOENT);
  EXPECT_EQ(child.error().message(), "executing no-such-program: No such file or directory");
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(Spawn, AFileThatIsNoProgramIsForbidden) {
  const auto child = spawn(*sandbox_, {.argv = {"/etc/passwd"}});
  ASSERT_FALSE(child);
  EXPECT_EQ(child.error().code.value(), EACCES);
}

TEST_F(Spawn, NothingToRunIsAnError) {
  EXPECT_FALSE(spawn(*sandbox_, {}));
}

TEST_F(Spawn, IsInTheSandboxsNetwork) {
  const auto outcome = run(*sandbox_, {.argv = {"ip", "-brief", "address"}});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.output, HasSubstr("tun0"));
  EXPECT_THAT(outcome.output, HasSubstr("198.18.0.1/15"));
  EXPECT_THAT(outcome.output, HasSubstr("fd00::1/64"));
  EXPECT_THAT(outcome.output, testing::Not(HasSubstr("fe80:"))) << "a link-local address";
}

TEST_F(Spawn, TheDeviceIsAsConfigured) {
  const auto outcome = run(*sandbox_, {.argv = {"ip", "link", "show", "tun0"}});
  EXPECT_THAT(outcome.output, HasSubstr("mtu 1500"));
  EXPECT_THAT(outcome.output, HasSubstr("qlen 10000"));
  EXPECT_THAT(outcome.output, HasSubstr(",UP"));
}

TEST_F(Spawn, BothDefaultRoutesGoThroughTheDevice) {
  EXPECT_THAT(run(*sandbox_, {.argv = {"ip", "-4", "route"}}).output,
              HasSubstr("default dev tun0"));
  EXPECT_THAT(run(*sandbox_, {.argv = {"ip", "-6", "route"}}).output,
              HasSubstr("default dev tun0"));
}

TEST_F(Spawn, SeesItsOwnUidAndGid) {
  EXPECT_EQ(shell(*sandbox_, "id -u; id -g").output,
            std::to_string(::geteuid()) + "\n" + std::to_string(::getegid()) + "\n");
}

TEST_F(Spawn, HoldsNoCapabilityEvenAsUidZero) {
  const auto outcome = shell(*sandbox_, "grep -E '^(Cap|NoNew)' /proc/self/status");
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
    EXPECT_THAT(outcome.output, HasSubstr(std::string(set) + ":\t0000000000000000"));
  }
  EXPECT_THAT(outcome.output, HasSubstr("CapBnd:\t0000000000002000"));
  EXPECT_THAT(outcome.output, HasSubstr("NoNewPrivs:\t1"));
  EXPECT_NE(run(*sandbox_, {.argv = {"ip", "link", "set", "tun0", "down"}}).status, 0);
}

TEST_F(Spawn, PingsItselfWithoutAnyCapability) {
  for (const char* self : {"198.18.0.1", "fd00::1"}) {
    const auto outcome = run(*sandbox_, {.argv = {"ping", "-c1", "-W20", self}});
    EXPECT_EQ(outcome.status, 0) << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr("1 received"));
  }
}

// It has the helper's uid and user namespace; that the helper is not dumpable keeps it out. We, who
// own the namespace, may look.
TEST_F(Spawn, CannotLookIntoTheHelper) {
  const std::string link = "/proc/" + std::to_string(sandbox_->pid()) + "/ns/net";
  EXPECT_THAT(std::filesystem::read_symlink(link).string(), HasSubstr("net:"));
  EXPECT_NE(run(*sandbox_, {.argv = {"readlink", link}}).status, 0);
}

TEST_F(Spawn, TakesTheEnvironmentThatItIsGiven) {
  const auto outcome = run(*sandbox_, {.argv = {"/usr/bin/env"}, .environment = {"A=1", "B=two"}});
  EXPECT_EQ(outcome.output, "A=1\nB=two\n");
}

TEST_F(Spawn, InheritsTheEnvironmentElse) {
  ASSERT_EQ(::setenv("LIFTGATE_SPAWN_TEST", "inherited", 1), 0);
  EXPECT_EQ(shell(*sandbox_, "echo $LIFTGATE_SPAWN_TEST").output, "inherited\n");
  ::unsetenv("LIFTGATE_SPAWN_TEST");
}

TEST_F(Spawn, SearchesThePathOfItsOwnEnvironment) {
  const test_support::TempDirectory folder;
  ASSERT_EQ(::symlink("/bin/echo", folder.file("say").c_str()), 0);
  const auto outcome =
      run(*sandbox_, {.argv = {"say", "hello"}, .environment = {"PATH=/nowhere:" + folder.path()}});
  EXPECT_EQ(outcome.output, "hello\n");
}

TEST_F(Spawn, StartsInItsWorkingDirectory) {
  EXPECT_EQ(run(*sandbox_, {.argv = {"pwd"}, .working_directory = "/usr/lib"}).output,
            "/usr/lib\n");
  const auto child = spawn(*sandbox_, {.argv = {"pwd"}, .working_directory = "/nowhere"});
  ASSERT_FALSE(child);
  EXPECT_EQ(child.error().message(), "changing to directory /nowhere: No such file or directory");
}

TEST_F(Spawn, ReadsItsStandardInput) {
  Pipe input = make_pipe();
  ASSERT_EQ(::write(input.write.get(), "line\n", 5), 5);
  input.write.reset();
  EXPECT_EQ(run(*sandbox_, {.argv = {"cat"}, .stdin_fd = input.read.get()}).output, "line\n");
}

// The program's 1 and 2 are our 2 and 1: each would overwrite the other if placed one by one.
TEST_F(Spawn, StandardDescriptorsMayBeCrossed) {
  Pipe one = make_pipe();
  Pipe two = make_pipe();
  const Fd saved_one = Fd::adopt(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
  const Fd saved_two = Fd::adopt(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
  ::dup2(one.write.get(), STDOUT_FILENO);
  ::dup2(two.write.get(), STDERR_FILENO);
  const auto child = spawn(*sandbox_, {.argv = {"sh", "-c", "echo out; echo err >&2"},
                                       .stdout_fd = STDERR_FILENO,
                                       .stderr_fd = STDOUT_FILENO});
  ::dup2(saved_one.get(), STDOUT_FILENO);
  ::dup2(saved_two.get(), STDERR_FILENO);
  one.write.reset();
  two.write.reset();

  ASSERT_TRUE(child) << child.error().message();
  EXPECT_EQ(test_support::read_all(two.read), "out\n");
  EXPECT_EQ(test_support::read_all(one.read), "err\n");
  EXPECT_EQ(*wait_for_exit(child->pidfd), 0);
}

TEST_F(Spawn, InheritsNoDescriptorButTheThree) {
  const Fd secret = Fd::adopt(::open("/dev/zero", O_RDONLY));  // not close-on-exec
  // What ls itself opens is the folder.
  EXPECT_EQ(run(*sandbox_, {.argv = {"ls", "/proc/self/fd"}}).output, "0\n1\n2\n3\n");
}

TEST_F(Spawn, StartsWithDefaultSignalsWhateverOursAre) {
  ::signal(SIGPIPE, SIG_IGN);
  const auto outcome = shell(*sandbox_, "grep -E '^Sig(Ign|Blk)' /proc/self/status");
  ::signal(SIGPIPE, SIG_DFL);
  EXPECT_EQ(outcome.output, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_F(Spawn, RunsFromAThreadWhileOthersDo) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back(
        [this, i] { EXPECT_EQ(shell(*sandbox_, "exit " + std::to_string(i)).status, i); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST_F(Spawn, ADeadSandboxTakesNoPrograms) {
  send_signal(sandbox_->pidfd(), SIGKILL);
  ASSERT_TRUE(exits_within(sandbox_->pidfd(), kPatience));
  const auto child = spawn(*sandbox_, {.argv = {"true"}});
  ASSERT_FALSE(child);
  EXPECT_THAT(child.error().message(), HasSubstr("joining the sandbox's namespaces"));
}

// A process of its own spawns `cat` and ends at once. Whether cat lives on shows on its output: an
// echo, or the end.
std::string what_remains_of_cat(const Sandbox& sandbox, bool die_with_parent) {
  Pipe input = make_pipe();
  Pipe output = make_pipe();
  const pid_t parent = ::fork();
  if (parent == 0) {
    const auto child = spawn(sandbox, {.argv = {"cat"},
                                       .stdin_fd = input.read.get(),
                                       .stdout_fd = output.write.get(),
                                       .die_with_parent = die_with_parent});
    ::_exit(child ? 0 : 1);
  }
  int status = -1;
  EXPECT_EQ(::waitpid(parent, &status, 0), parent);
  EXPECT_EQ(status, 0);
  output.write.reset();
  if (!die_with_parent) {
    EXPECT_EQ(::write(input.write.get(), "alive", 5), 5);
    input.write.reset();
  }
  return test_support::read_all(output.read);
}

TEST_F(Spawn, DiesWithItsParentWhenThatIsWanted) {
  EXPECT_EQ(what_remains_of_cat(*sandbox_, true), "");
}

TEST_F(Spawn, OutlivesItsParentElse) {
  EXPECT_EQ(what_remains_of_cat(*sandbox_, false), "alive");
}

TEST(SpawnWithListener, CurlReachesAListenerOfTheSandbox) {
  auto config = plain_sandbox();
  config.listeners = {{endpoint("198.18.0.1:80")}};
  START_SANDBOX_OR_SKIP(sandbox, config);
  Pipe output = make_pipe();
  const auto curl = spawn(sandbox, {.argv = {"curl", "-sS", "-m20", "http://198.18.0.1/"},
                                    .stdout_fd = output.write.get()});
  ASSERT_TRUE(curl) << curl.error().message();
  output.write.reset();

  const Fd& listener = sandbox.listeners().front();
  ASSERT_TRUE(test_support::readable_within(kPatience, listener));
  Fd accepted = Fd::adopt(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const auto request = test_support::read_within(kPatience, accepted);
  ASSERT_TRUE(request);
  EXPECT_THAT(*request, HasSubstr("GET / HTTP/1.1"));
  constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
  ASSERT_EQ(::send(accepted.get(), kAnswer.data(), kAnswer.size(), 0), std::ssize(kAnswer));
  accepted.reset();

  EXPECT_EQ(test_support::read_all(output.read), "hello");
  EXPECT_EQ(*wait_for_exit(curl->pidfd), 0);
}

TEST(SpawnWithMounts, ASandboxMayHaveMountsOfItsOwn) {
  auto config = plain_sandbox();
  config.mount_namespace = true;
  START_SANDBOX_OR_SKIP(sandbox, config);
  const auto ours = std::filesystem::read_symlink("/proc/self/ns/mnt").string();
  EXPECT_NE(run(sandbox, {.argv = {"readlink", "/proc/self/ns/mnt"}}).output, ours + "\n");
  EXPECT_EQ(run(sandbox, {.argv = {"pwd"}}).output,
            std::filesystem::current_path().string() + "\n");
}

TEST(SpawnWithMounts, ProgramsInsideSeeTheFilesThatTheyAreGiven) {
  const test_support::TempDirectory folder;  // below /tmp, where the files are made
  const std::string ours = folder.file("hosts");
  std::ofstream(ours) << "outside\n";
  ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
  auto config = plain_sandbox();
  config.files = {{ours, "inside\n"}, {"/etc/passwd", "nobody\n"}};
  START_SANDBOX_OR_SKIP(sandbox, config);

  EXPECT_EQ(run(sandbox, {.argv = {"cat", ours, "/etc/passwd"}}).output, "inside\nnobody\n");
  EXPECT_THAT(run(sandbox, {.argv = {"chmod", "0666", ours}}).output, HasSubstr("Read-only"));
  std::string outside;
  std::getline(std::ifstream(ours), outside);
  EXPECT_EQ(outside, "outside");
}

TEST(SpawnWithMounts, HiddenDirectoriesAreEmptyOnesThatProgramsInsideMayUse) {
  const test_support::TempDirectory folder;
  std::ofstream(folder.file("secret")) << "outside\n";
  auto config = plain_sandbox();
  config.hidden_directories = {folder.path(), "/nowhere/at/all"};
  START_SANDBOX_OR_SKIP(sandbox, config);
  const std::string path = folder.path();
  EXPECT_EQ(run(sandbox, {.argv = {"ls", "-A", path}}).output, "");
  EXPECT_EQ(run(sandbox, {.argv = {"sh", "-c", "echo x >" + path + "/mine; ls " + path}}).output,
            "mine\n");
  EXPECT_THAT(run(sandbox, {.argv = {"umount", path}}).output, Not(HasSubstr("mine")));
  EXPECT_EQ(run(sandbox, {.argv = {"ls", path}}).output, "mine\n");
  EXPECT_TRUE(std::filesystem::exists(folder.file("secret")));
  EXPECT_FALSE(std::filesystem::exists(folder.file("mine")));
}

TEST(SpawnWithSignalsInside, NothingOutsideIsSignalled) {
  if (landlock_version() < SignalScope::kSince) {
    GTEST_SKIP() << "this kernel cannot keep a program's signals inside";
  }
  START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  const std::string probe = "kill -0 " + std::to_string(::getpid()) + " && echo outside; " +
                            "sleep 100 & kill $! && echo inside";
  EXPECT_EQ(run(sandbox, {.argv = {"sh", "-c", probe}}).output, "outside\ninside\n");
  const auto kept = run(sandbox, {.argv = {"sh", "-c", probe}, .keep_signals_inside = true});
  EXPECT_THAT(kept.output, HasSubstr("inside\n"));
  EXPECT_THAT(kept.output, Not(HasSubstr("outside")));
}

}  // namespace
}  // namespace netns
