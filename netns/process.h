// Processes as this library makes them: cloned with a pidfd, so that waiting and killing can
// never hit another process that got the same number.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cstdint>

#include "base/error.h"
#include "base/fd.h"
#include "base/time.h"

namespace netns {

/// A child of the caller. Whoever holds it reaps it: wait_for_exit, or waitid(P_PIDFD).
struct Process {
  pid_t pid = -1;
  base::Fd pidfd;  // readable once it has exited
};

/// Blocks every signal while it lives, so that no handler of ours runs in a child that shares our
/// sockets and pipes.
class SignalBlock {
 public:
  SignalBlock();
  ~SignalBlock();
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;

 private:
  sigset_t before_;
};

/// fork(2), with the namespaces of `flags` (CLONE_NEW...) and a pidfd. Returns the pid in the
/// parent, 0 in the child, -1 with errno. The child of a threaded process may only make
/// async-signal-safe calls until it execs.
pid_t clone_process(std::uint64_t flags, int* pidfd) noexcept;

/// Whether the signal is ignored now: at the start, because whoever started us wants that for us
/// and what we start (nohup; a shell's background jobs).
bool is_ignored(int signal) noexcept;
/// Every signal that is.
sigset_t ignored_signals() noexcept;

/// For the child: those of `ignored` are ignored, the others have their default dispositions, and
/// nothing is blocked. Async-signal-safe.
void reset_signals(const sigset_t& ignored) noexcept;
/// The same, nothing ignored.
void reset_signals() noexcept;

/// For the child: closes every descriptor from `first` on. Async-signal-safe.
void close_from(unsigned first) noexcept;
/// For the child: closes `first` to `last`. Async-signal-safe.
void close_range_of(unsigned first, unsigned last) noexcept;

/// Whether the process ended within `limit`. Does not reap it.
bool exits_within(const base::Fd& pidfd, base::Duration limit);

/// Waits until the child has ended and reaps it. Its exit status, or 128 + the signal that killed
/// it, as shells count.
base::SysResult<int> wait_for_exit(const base::Fd& pidfd);
/// The same, but the child remains to be reaped.
base::SysResult<int> peek_exit(const base::Fd& pidfd);

/// Nothing happens to a process that has already ended.
void send_signal(const base::Fd& pidfd, int signal) noexcept;

/// Opens /dev/null on each of the descriptors 0 to 2 that is closed. A TUN device on descriptor 2
/// receives error messages as packets.
void fill_standard_fds() noexcept;

}  // namespace netns
