#include "tools/flowctl/interruption.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/time.h"

namespace flowctl {
namespace {

using std::chrono::milliseconds;

// All that a signal handler knows.
volatile sig_atomic_t handlers_end = -1;
volatile sig_atomic_t interrupted = 0;

void pass_on(int signal) {
  const int error = errno;
  const auto byte = static_cast<char>(signal);
  [[maybe_unused]] const ssize_t bytes = ::write(handlers_end, &byte, 1);  // full: it will wake
  errno = error;
}

void interrupt(int signal) {
  interrupted = 1;
  pass_on(signal);
}

constexpr milliseconds kLongest = std::chrono::days(24);  // what an int of milliseconds holds

// poll(2) that goes on after EINTR: what had come wakes it.
template <std::size_t kCount>
void poll_all(std::array<pollfd, kCount>& waits, std::optional<milliseconds> limit) {
  const base::Instant end = base::Clock::now() + std::min(limit.value_or(kLongest), kLongest);
  int ready = -1;
  do {
    const auto left = std::chrono::ceil<milliseconds>(end - base::Clock::now());
    const auto most = static_cast<int>(std::max(left, milliseconds(0)).count());
    ready = ::poll(waits.data(), waits.size(), limit ? most : -1);
  } while (ready < 0 && errno == EINTR);
}

}  // namespace

Interruption::Interruption(std::initializer_list<int> more) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0) {
    signals_ = base::Fd::adopt(ends[0]);
    handlers_end_ = base::Fd::adopt(ends[1]);
  }
  handlers_end = handlers_end_.get();
  interrupted = 0;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    catch_signal(signal, static_cast<int>(SA_RESETHAND));
  }
  for (const int signal : more) {
    catch_signal(signal, 0);
  }
}

Interruption::~Interruption() {
  for (const Before& before : before_) {
    ::sigaction(before.signal, &before.action, nullptr);
  }
  handlers_end = -1;
}

// Without SA_RESTART, so that what blocks ends.
void Interruption::catch_signal(int signal, int flags) {
  struct sigaction action{};
  action.sa_handler = flags == 0 ? pass_on : interrupt;
  action.sa_flags = flags;
  Before before{.signal = signal, .action = {}};
  ::sigaction(signal, &action, &before.action);
  before_.push_back(before);
}

std::optional<int> Interruption::take() const {
  char signal = 0;
  if (::read(signals_.get(), &signal, 1) != 1) {
    return std::nullopt;
  }
  return signal;
}

bool Interruption::wait_for_signal(milliseconds limit) const {
  std::array waits = {pollfd{.fd = signals_.get(), .events = POLLIN, .revents = 0}};
  poll_all(waits, limit);
  return waits[0].revents != 0;
}

Interruption::Woke Interruption::wait(const Until& until) const {
  std::array waits = {pollfd{.fd = signals_.get(), .events = POLLIN, .revents = 0},
                      pollfd{.fd = until.readable.get(), .events = POLLIN, .revents = 0},
                      pollfd{.fd = until.written_to, .events = 0, .revents = 0}};
  poll_all(waits, until.limit);
  constexpr std::array kWoke = {Woke::kSignal, Woke::kReady, Woke::kReaderGone};
  for (std::size_t i = 0; i < waits.size(); ++i) {
    if (waits[i].revents != 0) {
      return kWoke[i];
    }
  }
  return Woke::kTimeout;
}

bool was_interrupted() {
  return interrupted != 0;
}

}  // namespace flowctl
