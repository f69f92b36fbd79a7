// Interruption: SIGINT, SIGTERM and SIGHUP as something to wait for, so that a command that goes on
// until it is stopped ends in an orderly way.
#pragma once

#include <signal.h>

#include <chrono>
#include <initializer_list>
#include <optional>

#include "base/fd.h"

namespace flowctl {

/// While it lives, those signals do not end the process; they wait to be read. One at a time.
class Interruption {
 public:
  /// `more` are signals that are waited for besides (SIGWINCH).
  explicit Interruption(std::initializer_list<int> more = {});
  ~Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  /// Readable when a signal has come.
  [[nodiscard]] const base::Fd& fd() const { return signals_; }
  /// The next signal; nothing: none has come.
  [[nodiscard]] std::optional<int> take() const;

  /// Until a signal has come, or `limit` has passed: false.
  [[nodiscard]] bool wait_for_signal(std::chrono::milliseconds limit) const;

  /// What ended a wait.
  enum class Woke { kReady, kSignal, kTimeout };
  /// Until `fd` is readable (or its peer is gone), a signal has come, or the time is over. Where
  /// both are ready it is the signal.
  [[nodiscard]] Woke wait(const base::Fd& fd,
                          std::optional<std::chrono::milliseconds> limit = {}) const;

 private:
  sigset_t before_{};
  base::Fd signals_;
};

}  // namespace flowctl
