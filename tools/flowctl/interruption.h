// Interruption: SIGINT, SIGTERM and SIGHUP as something to wait for, so that a command that goes on
// until it is stopped ends in an orderly way.
#pragma once

#include <signal.h>

#include <chrono>
#include <initializer_list>
#include <optional>
#include <vector>

#include "base/fd.h"

namespace flowctl {

/// While it lives, the first of those signals does not end the process: it waits to be read, and a
/// system call that blocks fails with EINTR. The second ends the process, wherever it is stuck. One
/// at a time.
class Interruption {
 public:
  /// `more` are signals that are waited for besides (SIGWINCH), and never end anything.
  explicit Interruption(std::initializer_list<int> more = {});
  ~Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  /// The next signal; nothing: none has come.
  [[nodiscard]] std::optional<int> take() const;

  /// Until a signal has come, or `limit` has passed: false.
  [[nodiscard]] bool wait_for_signal(std::chrono::milliseconds limit) const;

  /// What ended a wait.
  enum class Woke { kReady, kSignal, kReaderGone, kTimeout };
  struct Until {
    const base::Fd& readable;  // or its peer is gone
    int written_to = -1;       // nobody reads any longer what is written to this descriptor
    std::optional<std::chrono::milliseconds> limit{};
  };
  /// Until any of that is so, or a signal has come. Where several are, the signal goes first.
  [[nodiscard]] Woke wait(const Until& until) const;

 private:
  struct Before {
    int signal;
    struct sigaction action;
  };

  void catch_signal(int signal, int flags);

  std::vector<Before> before_;
  base::Fd signals_;  // a byte for each that has come
  base::Fd handlers_end_;
};

/// Whether a signal that ends has come since the last Interruption began.
bool was_interrupted();

}  // namespace flowctl
