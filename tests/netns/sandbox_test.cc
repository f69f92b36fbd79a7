#include "netns/sandbox.h"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netns/fd_passing.h"
#include "tests/support/sandbox_support.h"

namespace netns {
namespace {

using base::Fd;
using test_support::address;
using test_support::endpoint;
using test_support::has_children;
using test_support::kPatience;
using test_support::open_descriptors;
using test_support::plain_sandbox;
using test_support::status_of;

constexpr const char* kNoCapability = "0000000000000000";

// The namespace of a process, as "net:[4026531840]".
std::string namespace_of(const std::string& pid, const std::string& kind) {
  return std::filesystem::read_symlink("/proc/" + pid + "/ns/" + kind).string();
}

bool is_cloexec_and_nonblocking(const Fd& fd) {
  return (::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0 &&
         (::fcntl(fd.get(), F_GETFL) & O_NONBLOCK) != 0;
}

TEST(Sandbox, StartsWithEverythingThatWasAskedFor) {
  auto config = plain_sandbox();
  config.tun.name = "gate7";
  config.listeners = {{endpoint("198.18.0.1:80")}, {endpoint("[fd00::1]:80")}};
  START_SANDBOX_OR_SKIP(sandbox, config);

  EXPECT_EQ(sandbox.tun_name(), "gate7");
  EXPECT_TRUE(is_cloexec_and_nonblocking(sandbox.tun()));
  ASSERT_EQ(sandbox.listeners().size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    base::SocketAddress bound;
    ASSERT_EQ(::getsockname(sandbox.listeners()[i].get(), bound.data(), &bound.size()), 0);
    EXPECT_EQ(bound.endpoint(), config.listeners[i].endpoint);
    EXPECT_TRUE(is_cloexec_and_nonblocking(sandbox.listeners()[i]));
  }
  EXPECT_NE(::access("/sys/class/net/gate7", F_OK), 0) << "the device is in the host's namespace";
}

TEST(Sandbox, HelperIsElsewhereAndMayDoNothing) {
  START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  const std::string helper = std::to_string(sandbox.pid());

  EXPECT_NE(namespace_of(helper, "net"), namespace_of("self", "net"));
  EXPECT_NE(namespace_of(helper, "user"), namespace_of("self", "user"));
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    EXPECT_EQ(status_of(sandbox.pid(), set), kNoCapability) << set;
  }
  EXPECT_EQ(status_of(sandbox.pid(), "NoNewPrivs"), "1");
  EXPECT_EQ(status_of(sandbox.pid(), "Seccomp"), "2") << "no system call filter";
}

TEST(Sandbox, HelperHoldsNoDescriptorOfItsOwner) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);  // not close-on-exec
  const Fd read = Fd::adopt(ends[0]);
  Fd write = Fd::adopt(ends[1]);
  START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  write.reset();
  EXPECT_EQ(test_support::read_within(kPatience, read), "") << "someone still has the other end";
}

TEST(Sandbox, ListenersOfBothFamiliesMayShareAPort) {
  auto config = plain_sandbox();
  config.listeners = {{endpoint("[::]:80")}, {endpoint("0.0.0.0:80")}};
  START_SANDBOX_OR_SKIP(sandbox, config);
  EXPECT_EQ(sandbox.listeners().size(), 2U);
}

TEST(Sandbox, SysctlsAreSetBeforeAnythingListens) {
  auto config = plain_sandbox();
  config.listeners = {{endpoint("198.18.0.1:80")}};
  config.sysctls = {{"net/ipv4/ip_unprivileged_port_start", "0"},
                    {"net/ipv4/tcp_rmem", "4096 30000 50000"}};
  START_SANDBOX_OR_SKIP(sandbox, config);
  int size = 0;
  socklen_t room = sizeof(size);
  ASSERT_EQ(::getsockopt(sandbox.listeners().front().get(), SOL_SOCKET, SO_RCVBUF, &size, &room),
            0);
  EXPECT_EQ(size, 30000);
}

TEST(Sandbox, TheDeviceGoesWithTheTunThatWeHold) {
  START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  const auto inside = sandbox.open_sockets(AF_INET, SOCK_DGRAM, 0, 1);
  ASSERT_TRUE(inside);
  ifreq device{};
  std::ranges::copy(sandbox.tun_name(), device.ifr_name);
  EXPECT_EQ(::ioctl(inside->front().get(), SIOCGIFINDEX, &device), 0);
  sandbox.tun().reset();
  EXPECT_EQ(::ioctl(inside->front().get(), SIOCGIFINDEX, &device), -1);
  EXPECT_EQ(errno, ENODEV);
}

TEST(Sandbox, StartsInAThreadWhileOthersRun) {
  std::thread first([] { EXPECT_TRUE(Sandbox::start(plain_sandbox())); });
  std::thread second([] { EXPECT_TRUE(Sandbox::start(plain_sandbox())); });
  first.join();
  second.join();
}

TEST(Sandbox, ManySocketsComeInSeveralBatches) {
  START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  constexpr std::uint32_t kMoreThanTwoBatches = 2 * kMaxFdsPerMessage + 1;
  const auto sockets = sandbox.open_sockets(AF_INET6, SOCK_STREAM, 0, kMoreThanTwoBatches);
  ASSERT_TRUE(sockets) << sockets.error().message();
  ASSERT_EQ(sockets->size(), kMoreThanTwoBatches);
  EXPECT_TRUE(is_cloexec_and_nonblocking(sockets->back()));
}

TEST(Sandbox, ASocketThatCannotBeMadeIsAnErrorAndNotTheEnd) {
  START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  const auto refused = sandbox.open_sockets(AF_INET, SOCK_RAW, IPPROTO_TCP, 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "making a socket in the sandbox: Operation not permitted");
  EXPECT_TRUE(sandbox.open_sockets(AF_INET, SOCK_STREAM, 0, 1));
}

TEST(Sandbox, AFullDescriptorTableIsAnErrorAndNotTheEnd) {
  START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  const std::size_t before = open_descriptors();
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  rlimit low = limit;
  low.rlim_cur = before + 5;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  const auto refused = sandbox.open_sockets(AF_INET, SOCK_STREAM, 0, 300);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);

  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code.value(), EMFILE);
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_TRUE(sandbox.open_sockets(AF_INET, SOCK_STREAM, 0, 300));
}

TEST(Sandbox, TwoLiveSideBySideWithTheSameAddresses) {
  auto config = plain_sandbox();
  config.listeners = {{endpoint("198.18.0.1:80")}};
  START_SANDBOX_OR_SKIP(one, config);
  START_SANDBOX_OR_SKIP(other, config);
  EXPECT_NE(namespace_of(std::to_string(one.pid()), "net"),
            namespace_of(std::to_string(other.pid()), "net"));
}

TEST(Sandbox, KillingTheHelperMakesItsPidfdReadable) {
  START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  EXPECT_FALSE(exits_within(sandbox.pidfd(), base::Duration::zero()));
  ASSERT_EQ(::kill(sandbox.pid(), SIGKILL), 0);
  EXPECT_TRUE(exits_within(sandbox.pidfd(), kPatience));
  const auto sockets = sandbox.open_sockets(AF_INET, SOCK_STREAM, 0, 1);
  EXPECT_FALSE(sockets);
}

TEST(Sandbox, SignalsForTheGatewayDoNotEndTheHelper) {
  START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    ASSERT_EQ(::kill(sandbox.pid(), signal), 0);
  }
  EXPECT_TRUE(sandbox.open_sockets(AF_INET, SOCK_STREAM, 0, 1));
}

// The helper belongs to who holds the control socket, and ends with the last of them, without a
// destructor, a signal, or a wait. `owner` starts a sandbox, copies itself, and ends.
TEST(Sandbox, HelperOutlivesItsParentAndEndsWithItsLastOwner) {
  auto pair = seqpacket_pair();
  ASSERT_TRUE(pair);
  auto& [ours, theirs] = *pair;
  const pid_t owner = ::fork();
  if (owner == 0) {
    auto sandbox = Sandbox::start(plain_sandbox());
    if (!sandbox || ::fork() != 0) {
      ::_exit(sandbox ? 0 : 1);
    }
    // The heir. It waits until we have seen the owner's end.
    std::vector<Fd> pidfd;
    pidfd.push_back(Fd::adopt(::dup(sandbox->pidfd().get())));
    (void)send_message(theirs, std::as_bytes(std::span("pidfd")), pidfd);
    (void)receive_message(theirs, 64);
    const bool works = sandbox->open_sockets(AF_INET, SOCK_STREAM, 0, 1).has_value();
    (void)send_message(theirs, std::as_bytes(std::span(works ? "y" : "n", 1)));
    (void)receive_message(theirs, 64);
    ::_exit(0);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(owner, &status, 0), owner);
  if (status != 0) {
    GTEST_SKIP() << "no sandbox here";
  }
  theirs.reset();
  auto first = receive_message(ours, 64);
  ASSERT_TRUE(first && *first && (*first)->fds.size() == 1);
  const Fd pidfd = std::move((*first)->fds.front());

  ASSERT_TRUE(send_message(ours, std::as_bytes(std::span("go"))));
  const auto answer = receive_message(ours, 64);
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->bytes.front(), std::byte{'y'}) << "the helper died with its parent";
  EXPECT_FALSE(exits_within(pidfd, base::Duration::zero()));

  ASSERT_TRUE(send_message(ours, std::as_bytes(std::span("end"))));
  EXPECT_TRUE(exits_within(pidfd, kPatience));
}

TEST(Sandbox, EndsWithItsObjectAlsoWhenItsTunIsHeldElsewhere) {
  START_SANDBOX_OR_SKIP(started, plain_sandbox());
  std::optional<Sandbox> sandbox(std::move(started));
  const pid_t helper = sandbox->pid();
  const Fd tun = std::move(sandbox->tun());
  const auto begin = base::Clock::now();
  sandbox.reset();
  EXPECT_LT(base::Clock::now() - begin, std::chrono::seconds(2)) << "it had to be killed";
  EXPECT_NE(::kill(helper, 0), 0);
  EXPECT_FALSE(has_children());
}

TEST(Sandbox, AssigningEndsTheOneThatWasThere) {
  START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  START_SANDBOX_OR_SKIP(other, plain_sandbox());
  const pid_t first = sandbox.pid();
  sandbox = std::move(other);
  EXPECT_NE(::kill(first, 0), 0);
  EXPECT_TRUE(sandbox.open_sockets(AF_INET, SOCK_STREAM, 0, 1));
}

TEST(Sandbox, FiftyOfThemLeaveNothingBehind) {
  {
    START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  }
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 50; ++i) {
    auto sandbox = Sandbox::start(plain_sandbox());
    ASSERT_TRUE(sandbox) << sandbox.error().message();
    ASSERT_TRUE(sandbox->open_sockets(AF_INET, SOCK_STREAM, 0, 3));
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_FALSE(has_children());
}

// Pitfall 50: every one of the descriptors that start() opens may be the one that there is no room
// for, and then the earlier ones are to be closed and the helper is to be ended.
TEST(Sandbox, NoLackOfDescriptorsLeaksAnything) {
  auto config = plain_sandbox();
  config.listeners = {{endpoint("198.18.0.1:80")}, {endpoint("[fd00::1]:80")}};
  {
    START_SANDBOX_OR_SKIP(sandbox, config);
  }
  const std::size_t before = open_descriptors();
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  int failures = 0;
  int successes = 0;
  for (rlim_t most = STDERR_FILENO + 1; most < before + 20; ++most) {
    rlimit low = limit;
    low.rlim_cur = most;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    {
      const auto sandbox = Sandbox::start(config);
      ++(sandbox ? successes : failures);
      EXPECT_TRUE(sandbox || sandbox.error().code.value() == EMFILE) << sandbox.error().message();
    }
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    ASSERT_EQ(open_descriptors(), before) << "with at most " << most;
    ASSERT_FALSE(has_children()) << "with at most " << most;
  }
  EXPECT_GT(failures, 0);
  EXPECT_GT(successes, 0);
}

// What the error of a configuration says. Nothing may be left behind by it.
std::string refusal_of(const SandboxConfig& config) {
  const std::size_t before = open_descriptors();
  std::string text = "nothing: it started";
  if (const auto sandbox = Sandbox::start(config); !sandbox) {
    text = sandbox.error().message();
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_FALSE(has_children());
  return text;
}

TEST(Sandbox, ErrorsOfTheHelperArriveWithTheirCause) {
  {
    START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  }

  auto config = plain_sandbox();
  config.tun.name = "name-of-16-bytes";
  EXPECT_EQ(refusal_of(config), "TUN device 'name-of-16-bytes': a name has 1 to 15 bytes");

  config.tun.name = "a/b";
  EXPECT_EQ(refusal_of(config), "TUNSETIFF a/b: Invalid argument");

  config = plain_sandbox();
  config.tun.addresses.push_back(config.tun.addresses.front());
  EXPECT_THAT(refusal_of(config), testing::HasSubstr("adding address 198.18.0.1/15 to tun0"));
  EXPECT_THAT(refusal_of(config), testing::HasSubstr("File exists"));

  config = plain_sandbox();
  config.tun.mtu_bytes = 10;
  EXPECT_THAT(refusal_of(config), testing::HasSubstr("setting link tun0 mtu 10"));

  config = plain_sandbox();
  config.listeners = {{endpoint("192.0.2.1:80")}};
  EXPECT_EQ(refusal_of(config),
            "binding the listener 192.0.2.1:80: Cannot assign requested address");

  config = plain_sandbox();
  config.files = {{"/etc/no-such-file", "text"}};
  EXPECT_EQ(refusal_of(config), "looking up /etc/no-such-file: No such file or directory");

  config = plain_sandbox();
  config.sysctls = {{"net/no_such_setting", "1"}};
  EXPECT_EQ(refusal_of(config),
            "setting sysctl net/no_such_setting to 1: No such file or directory");
}

// The child cannot become the helper: the kernel takes no environment entry of more than 128 KiB.
TEST(Sandbox, AHelperThatCannotBeExecutedLeavesNothing) {
  if (!test_support::why_no_sandbox().empty()) {
    GTEST_SKIP() << test_support::why_no_sandbox();
  }
  ASSERT_EQ(::setenv("LIFTGATE_TOO_LONG", std::string(200'000, 'x').c_str(), 1), 0);
  const std::string refusal = refusal_of(plain_sandbox());
  ::unsetenv("LIFTGATE_TOO_LONG");
  EXPECT_EQ(refusal, "executing /proc/self/exe as the sandbox's helper: Argument list too long");
}

// Such a program would start itself as a helper that starts itself as a helper...
TEST(Sandbox, AProgramThatForgetsHelperMainIsToldSo) {
  char* const name = program_invocation_name;
  std::string helper = "liftgate-sandbox";
  program_invocation_name = helper.data();
  const std::string refusal = refusal_of(plain_sandbox());
  program_invocation_name = name;
  EXPECT_THAT(refusal, testing::HasSubstr("its main() does not begin with netns::helper_main()"));
}

TEST(Sandbox, NamesAndCountsThatDoNotFitAMessageAreRefused) {
  auto config = plain_sandbox();
  config.listeners.resize(kMaxFdsPerMessage);
  EXPECT_EQ(refusal_of(config), "a sandbox has at most 252 listeners");

  config = plain_sandbox();
  config.sysctls = {{"net/" + std::string(100'000, 'x'), "1"}};
  EXPECT_THAT(refusal_of(config), testing::HasSubstr("too large"));
}

}  // namespace
}  // namespace netns
