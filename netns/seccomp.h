// The system call filter of a sandbox's helper.
#pragma once

#include "base/error.h"

namespace netns {

/// From now on the calling process, which must have no_new_privs, can make sockets, send and
/// receive, manage its memory and end; everything else fails with EPERM. For ever.
base::SysResult<void> allow_only_making_sockets();

}  // namespace netns
