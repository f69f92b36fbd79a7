#include "netns/process.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>

#include <gtest/gtest.h>

#include "tests/support/sandbox_support.h"

namespace netns {
namespace {

using namespace std::chrono_literals;
using test_support::kPatience;

// A child that runs `body` and ends with what it returns.
template <class Body>
Process fork_child(const Body& body) {
  Process child;
  int pidfd = -1;
  child.pid = clone_process(0, &pidfd);
  if (child.pid == 0) {
    ::_exit(body());
  }
  child.pidfd = base::Fd::adopt(pidfd);
  return child;
}

TEST(Process, AnExitStatusComesBack) {
  const Process child = fork_child([] { return 7; });
  ASSERT_TRUE(exits_within(child.pidfd, kPatience));
  EXPECT_EQ(*peek_exit(child.pidfd), 7);
  EXPECT_EQ(*wait_for_exit(child.pidfd), 7);
  EXPECT_FALSE(wait_for_exit(child.pidfd)) << "reaped twice";
}

TEST(Process, ADeathBySignalIs128AndTheSignal) {
  const Process child = fork_child([] { return ::pause(); });
  EXPECT_FALSE(exits_within(child.pidfd, 0s));
  send_signal(child.pidfd, SIGKILL);
  EXPECT_EQ(*wait_for_exit(child.pidfd), 128 + SIGKILL);
}

TEST(Process, SignalsAreBlockedOnlyWhileTheBlockLives) {
  sigset_t now;
  {
    const SignalBlock block;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &now);
    EXPECT_EQ(::sigismember(&now, SIGTERM), 1);
  }
  ::pthread_sigmask(SIG_SETMASK, nullptr, &now);
  EXPECT_EQ(::sigismember(&now, SIGTERM), 0);
}

TEST(Process, ResetSignalsForgetsHandlersIgnoredOnesAndTheMask) {
  const Process child = fork_child([] {
    ::signal(SIGPIPE, SIG_IGN);
    const SignalBlock block;
    reset_signals();
    struct sigaction pipe{};
    sigset_t mask;
    ::sigaction(SIGPIPE, nullptr, &pipe);
    ::sigprocmask(SIG_SETMASK, nullptr, &mask);
    return pipe.sa_handler == SIG_DFL && ::sigismember(&mask, SIGTERM) == 0 ? 0 : 1;
  });
  EXPECT_EQ(*wait_for_exit(child.pidfd), 0);
}

// As nohup(1) wants it: for us, and for what we start.
TEST(Process, SignalsThatWereIgnoredStaySoInTheChild) {
  const Process child = fork_child([] {
    ::signal(SIGHUP, SIG_IGN);
    const sigset_t ignored = ignored_signals();
    ::signal(SIGPIPE, SIG_IGN);  // our own doing
    ::signal(SIGHUP, SIG_DFL);
    reset_signals(ignored);
    return is_ignored(SIGHUP) && !is_ignored(SIGPIPE) ? 0 : 1;
  });
  EXPECT_EQ(*wait_for_exit(child.pidfd), 0);
}

// Pitfall 54: what is opened next would get number 2, and error messages would be written to it.
TEST(Process, ClosedStandardDescriptorsAreFilled) {
  const Process child = fork_child([] {
    ::close(STDIN_FILENO);
    ::close(STDERR_FILENO);
    fill_standard_fds();
    const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    return next > STDERR_FILENO && ::fcntl(STDERR_FILENO, F_GETFD) == 0 ? 0 : 1;
  });
  EXPECT_EQ(*wait_for_exit(child.pidfd), 0);
}

TEST(Process, CloseRangeClosesExactlyTheRange) {
  const Process child = fork_child([] {
    for (const int fd : {200, 201, 202, 203}) {
      ::dup2(STDERR_FILENO, fd);
    }
    close_range_of(201, 202);
    const auto is_open = [](int fd) { return ::fcntl(fd, F_GETFD) >= 0; };
    return is_open(200) && !is_open(201) && !is_open(202) && is_open(203) ? 0 : 1;
  });
  EXPECT_EQ(*wait_for_exit(child.pidfd), 0);
}

}  // namespace
}  // namespace netns
