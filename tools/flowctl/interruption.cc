#include "tools/flowctl/interruption.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>

namespace flowctl {

Interruption::Interruption(std::initializer_list<int> more) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    ::sigaddset(&set, signal);
  }
  for (const int signal : more) {
    ::sigaddset(&set, signal);
  }
  ::sigprocmask(SIG_BLOCK, &set, &before_);
  signals_ = base::Fd::adopt(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

Interruption::~Interruption() {
  while (take()) {  // what has come has had its effect: it must not end us now
  }
  ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

std::optional<int> Interruption::take() const {
  signalfd_siginfo info;
  if (::read(signals_.get(), &info, sizeof(info)) != sizeof(info)) {
    return std::nullopt;
  }
  return static_cast<int>(info.ssi_signo);
}

bool Interruption::wait_for_signal(std::chrono::milliseconds limit) const {
  pollfd wait{.fd = signals_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&wait, 1, static_cast<int>(limit.count())) > 0;
}

Interruption::Woke Interruption::wait(const base::Fd& fd,
                                      std::optional<std::chrono::milliseconds> limit) const {
  std::array<pollfd, 2> waits = {pollfd{.fd = signals_.get(), .events = POLLIN, .revents = 0},
                                 pollfd{.fd = fd.get(), .events = POLLIN, .revents = 0}};
  const int ready =
      ::poll(waits.data(), waits.size(), limit ? static_cast<int>(limit->count()) : -1);
  if (ready > 0 && waits[0].revents != 0) {
    return Woke::kSignal;
  }
  return ready > 0 ? Woke::kReady : Woke::kTimeout;
}

}  // namespace flowctl
