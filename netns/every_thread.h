// Every thread: the same few system calls made by each thread of the process.
//
// Credentials, no_new_privs and Landlock's rules belong to threads, not to processes, and only the
// thread itself can change them. As libc does for setuid(2), each thread is sent a signal and does
// its part in the handler, wherever it is; a thread that is waiting goes on waiting, or sees EINTR.
#pragma once

#include "base/error.h"

namespace netns {

/// Async-signal-safe; 0 or an errno.
using ThreadWork = int (*)(const void* argument) noexcept;

/// The signal that threads are sent. Whoever blocks every other signal in a thread leaves this one.
int every_thread_signal() noexcept;

/// Runs `work` once in each thread, the caller's last, and returns when all have. The error is the
/// first that a thread had, or that one did not answer; the others have done their part all the
/// same. Threads that are started meanwhile by others than the caller may be missed. One caller at
/// a time.
base::SysResult<void> on_every_thread(ThreadWork work, const void* argument);

}  // namespace netns
