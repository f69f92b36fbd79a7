// Children: what a command leaves running when it ends, found and ended without any privilege.
//
// A process whose parent ends becomes the child of its nearest ancestor that asked for orphans
// (PR_SET_CHILD_SUBREAPER). So whoever asks, starts a command, and later ends all its children
// until none is left, has ended everything that the command ever started, however it was detached.
#pragma once

#include <sys/types.h>

#include <functional>

namespace gateway {

/// Orphaned descendants become children of this process.
void adopt_orphans();

/// Ends and reaps every child but those that are spared, and the orphans that this makes: SIGTERM,
/// after a second SIGKILL. Gives up on what does not even die of that.
void end_children(const std::function<bool(pid_t)>& is_spared);

/// Ends this process as the one with `wait_status` ended: by its signal, or with its exit status,
/// which is returned.
int end_like(int wait_status);

}  // namespace gateway
