// System call filters (seccomp), made from the list of permissions.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "netns/enforcement.h"
#include "netns/permissions.h"

namespace netns {

enum class Threads : std::uint8_t { kThisOne, kAll };

/// From now on, and in whatever is started from here, only `role`'s calls can be made. The process
/// must have no_new_privs. With Threads::kAll every thread gets the filter, or none and an error;
/// no_new_privs comes with it. After an error nothing has changed. `enforcement` is not kOff.
base::SysResult<void> allow_only(Role role, Enforcement enforcement, Threads threads);

}  // namespace netns
