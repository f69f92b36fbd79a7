// Capabilities: kept over one exec, looked at, and given up for good.
//
// The functions that change them are async-signal-safe and return an errno, because they also
// run in a child of a threaded process, between fork and exec.
#pragma once

#include <cstdint>

#include "base/error.h"

namespace netns {

/// One bit for each capability, CAP_CHOWN the lowest, as /proc/PID/status prints them.
using CapabilitySet = std::uint64_t;

/// What the calling thread may do now.
base::SysResult<CapabilitySet> effective_capabilities();

/// Makes every permitted capability ambient. Without it a program loses all of them at exec, unless
/// its uid is 0. Returns 0 or an errno.
int keep_capabilities_over_exec() noexcept;

/// Keeps of the calling thread's capabilities those of `keep` at most, in every set, and sets
/// no_new_privs. The bounding set stays where the thread may not change it: with no_new_privs it
/// has nothing to give. Returns 0 or an errno.
int keep_only_capabilities(CapabilitySet keep) noexcept;

/// Empties the effective, permitted, inheritable and ambient sets, and the bounding set but for
/// `keep_bounding`; then sets no_new_privs, so that no later exec can bring anything back, not
/// even for uid 0. Returns 0 or an errno.
int drop_all_capabilities(CapabilitySet keep_bounding = 0) noexcept;

}  // namespace netns
