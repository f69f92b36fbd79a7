#include "gateway/run/supervisor.h"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "gateway/confine/confine.h"
#include "gateway/run/children.h"
#include "netns/process.h"

namespace gateway {

using base::Fd;
using base::SysResult;
using base::Unexpected;

namespace {

// What a terminal sends reaches the whole foreground group by itself. Not so when it is closed: the
// kernel tells the session's leader alone (SIGHUP, SIGCONT), and the rest of the session is its
// affair.
bool reaches_command_by_itself(const siginfo_t& info, bool leads_session) {
  const bool is_hangup = info.si_signo == SIGHUP || info.si_signo == SIGCONT;
  return info.si_code == SI_KERNEL && !(is_hangup && leads_session);
}

// Until the gateway has ended; its wait status.
int watch(pid_t gateway, const sigset_t& signals, bool leads_session) {
  for (;;) {
    siginfo_t info{};
    const int signal = ::sigwaitinfo(&signals, &info);
    if (signal > 0 && signal != SIGCHLD && !reaches_command_by_itself(info, leads_session)) {
      ::kill(gateway, signal);
    }
    int status = 0;
    for (pid_t ended = 0; (ended = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (ended == gateway) {
        return status;
      }
    }
  }
}

SysResult<Supervised> in_gateway(pid_t supervisor, const sigset_t& mask) {
  Supervised gateway;
  gateway.supervisor = Fd::adopt(static_cast<int>(::syscall(SYS_pidfd_open, supervisor, 0)));
  if (!gateway.supervisor.is_open()) {
    return Unexpected{base::last_error("pidfd_open of the supervisor")};
  }
  if (::getppid() != supervisor) {
    return Unexpected{base::failure("the supervisor was killed")};
  }
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  return gateway;
}

}  // namespace

sigset_t signals_for_command() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT}) {
    if (!netns::is_ignored(signal)) {
      ::sigaddset(&set, signal);
    }
  }
  return set;
}

SysResult<Supervised> supervise(Confine confine) {
  std::signal(SIGCHLD, SIG_DFL);  // ignored, it would take the exit status away
  sigset_t signals = signals_for_command();
  ::sigaddset(&signals, SIGCHLD);
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &signals, &before);
  adopt_orphans();
  const pid_t supervisor = ::getpid();
  const bool leads_session = ::getsid(0) == supervisor;
  const pid_t gateway = ::fork();
  if (gateway == 0) {
    adopt_orphans();  // not inherited
    return in_gateway(supervisor, before);
  }
  if (gateway < 0) {
    return Unexpected{base::last_error("fork")};
  }
  confine_supervisor(confine);
  const int status = watch(gateway, signals, leads_session);
  end_children([](pid_t) { return false; });
  Supervised ended;
  ended.status = end_like(status);
  return ended;
}

}  // namespace gateway
