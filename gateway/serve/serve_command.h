// `liftgate serve`: the daemon.
#pragma once

#include "gateway/config/settings.h"

namespace gateway {

/// Serves until SIGINT or SIGTERM. The exit status of the process.
int serve(const Settings& settings);

}  // namespace gateway
