// Supervisor: two processes, so that the end of one never leaves a command without its network.
//
// Theory of operation
//
//     the supervisor (the process that was started)
//       \-- the gateway
//             |-- the command, and whatever it starts
//             \-- the sandboxes' helpers
//
// The gateway can end the command and what the command has left behind, but nobody can who is
// killed by SIGKILL. So each process watches the other: when the supervisor dies, the gateway kills
// the command and ends in order; when the gateway dies, everything below it becomes the
// supervisor's children, which it ends. Signals for the command come to the supervisor, who passes
// them to the gateway, who passes them to the command; the exit status comes back the same way.
// PR_SET_PDEATHSIG alone would reach the command, but nothing that the command has started; a PID
// namespace would reach everything, but needs a /proc of its own, which many containers refuse.
#pragma once

#include <signal.h>

#include <optional>

#include "base/error.h"
#include "base/fd.h"
#include "gateway/config/settings.h"

namespace gateway {

/// The signals that are meant for a command, without those that are ignored already: whoever
/// started us wants the command to ignore them, too.
sigset_t signals_for_command();

struct Supervised {
  std::optional<int> status;  // in the supervisor, when all is over: what to exit with
  base::Fd supervisor;        // in the gateway: a pidfd, readable once the supervisor has died
};

/// Returns in both processes; the supervisor is confined. Before there is another thread.
base::SysResult<Supervised> supervise(Confine confine);

}  // namespace gateway
