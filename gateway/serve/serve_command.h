// `liftgate serve`: the daemon.
#pragma once

#include <string>

#include "gateway/config/settings.h"
#include "gateway/hooks/app.h"

namespace gateway {

/// Serves until SIGINT or SIGTERM. The exit status of the process.
/// `config_path`: where they are from, for reloads; empty: nowhere.
int serve(const Settings& settings, const std::string& config_path, hooks::App* app = nullptr);

}  // namespace gateway
