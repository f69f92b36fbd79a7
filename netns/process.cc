#include "netns/process.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace netns {
namespace {

using base::Unexpected;

constexpr int kSignalExitBase = 128;

base::SysResult<int> exit_status(const base::Fd& pidfd, int options) {
  siginfo_t info{};
  int waited = -1;
  do {
    waited = ::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, options);
  } while (waited != 0 && errno == EINTR);
  if (waited != 0) {
    return Unexpected{base::last_error("waitid")};
  }
  return info.si_code == CLD_EXITED ? info.si_status : kSignalExitBase + info.si_status;
}

}  // namespace

SignalBlock::SignalBlock() {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before_);
}

SignalBlock::~SignalBlock() {
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

pid_t clone_process(std::uint64_t flags, int* pidfd) noexcept {
  clone_args how{};
  how.flags = flags | CLONE_PIDFD;
  how.pidfd = reinterpret_cast<std::uintptr_t>(pidfd);
  how.exit_signal = SIGCHLD;
  long pid = ::syscall(SYS_clone3, &how, sizeof(how));
  if (pid < 0 && errno == ENOSYS) {
    // Seccomp filters cannot look into clone3's arguments, so that some runtimes hide the call.
    pid = ::syscall(SYS_clone, how.flags | SIGCHLD, nullptr, pidfd, nullptr, nullptr);
  }
  return static_cast<pid_t>(pid);
}

bool is_ignored(int signal) noexcept {
  struct sigaction now{};
  return ::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

sigset_t ignored_signals() noexcept {
  sigset_t ignored;
  ::sigemptyset(&ignored);
  for (int signal = 1; signal < NSIG; ++signal) {
    if (is_ignored(signal)) {
      ::sigaddset(&ignored, signal);
    }
  }
  return ignored;
}

void reset_signals() noexcept {
  sigset_t none;
  ::sigemptyset(&none);
  reset_signals(none);
}

void reset_signals(const sigset_t& ignored) noexcept {
  struct sigaction standard{};
  for (int signal = 1; signal < NSIG; ++signal) {
    standard.sa_handler = ::sigismember(&ignored, signal) == 1 ? SIG_IGN : SIG_DFL;
    ::sigaction(signal, &standard, nullptr);  // refused for SIGKILL, SIGSTOP and libc's own
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void close_range_of(unsigned first, unsigned last) noexcept {
  if (first > last || ::syscall(SYS_close_range, first, last, 0) == 0) {
    return;
  }
  rlimit limit{};  // Linux before 5.9
  ::getrlimit(RLIMIT_NOFILE, &limit);
  for (unsigned fd = first; fd <= last && fd < limit.rlim_cur; ++fd) {
    ::close(static_cast<int>(fd));
  }
}

void close_from(unsigned first) noexcept {
  close_range_of(first, ~0U);
}

bool exits_within(const base::Fd& pidfd, base::Duration limit) {
  const base::Instant deadline = base::Clock::now() + limit;
  pollfd wait{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - base::Clock::now());
    const int timeout = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
    const int ready = ::poll(&wait, 1, timeout);
    if (ready >= 0 || errno != EINTR) {
      return ready > 0;
    }
  }
}

base::SysResult<int> wait_for_exit(const base::Fd& pidfd) {
  return exit_status(pidfd, WEXITED);
}

base::SysResult<int> peek_exit(const base::Fd& pidfd) {
  return exit_status(pidfd, WEXITED | WNOWAIT);
}

void send_signal(const base::Fd& pidfd, int signal) noexcept {
  ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0);
}

void fill_standard_fds() noexcept {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) {
      // The lowest free number is this one. Without O_CLOEXEC: what we start needs it as well.
      (void)::open("/dev/null", O_RDWR);
    }
  }
}

}  // namespace netns
