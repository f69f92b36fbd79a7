// Awake: since when a thread has run without having been stopped, with the process or the machine.
// Whoever looks at others' clocks after that would call all of them stuck, which were stopped, too.
#pragma once

#include "base/time.h"

namespace gateway {

/// Belongs to the thread.
class Awake {
 public:
  /// Chosen: how often look() is called, at least, and what is no delay any more.
  static constexpr base::Duration kLookEvery = std::chrono::milliseconds(500);
  static constexpr base::Duration kStopped = std::chrono::seconds(2);

  explicit Awake(base::Instant now) : since_(now), looked_(now) {}

  void look(base::Instant now) {
    if (now - looked_ > kStopped) {
      since_ = now;
    }
    looked_ = now;
  }
  /// It has waited for somebody until `now`, which says nothing about the process.
  void has_waited(base::Instant now) { looked_ = now; }
  /// When it was created or began to run again.
  [[nodiscard]] base::Instant since() const { return since_; }

 private:
  base::Instant since_;
  base::Instant looked_;
};

}  // namespace gateway
