// Acceptor: accepts connections, even when the process is out of descriptors.
//
// Without a free descriptor a waiting connection could be neither accepted nor refused, and its
// listener would stay readable for ever. So one is kept in reserve, and buys a refusal.
#pragma once

#include <optional>

#include "base/endpoint.h"
#include "base/fd.h"

namespace gateway {

/// Serves any number of listeners of one thread.
class Acceptor {
 public:
  Acceptor();

  struct Arrival {
    base::Fd socket;  // non-blocking. Not open: it was reset for want of descriptors
    base::Endpoint peer;
  };
  /// The next connection of `listener`, which is non-blocking; nothing when none waits, or when the
  /// kernel is short of memory: the next wake-up tries again.
  std::optional<Arrival> next(const base::Fd& listener);

 private:
  std::optional<Arrival> refuse_one(const base::Fd& listener);

  base::Fd spare_;  // kept open to be closed when there is no other descriptor to accept with
};

}  // namespace gateway
