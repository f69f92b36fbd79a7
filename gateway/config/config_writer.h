// Config writer: settings as YAML: the defaults with their comments, or what is in force.
#pragma once

#include <string>

#include "gateway/config/settings.h"
#include "gateway/hooks/app_settings.h"

namespace gateway {

/// The defaults of this machine and user, complete and explained. Loading it gives
/// default_settings(). What is commented out with `#` and no space is a sample to start from.
/// `app`: the defaults of the app whose gateway it is.
std::string default_config(const hooks::AppSection& app = {});

/// Loading it gives `settings`, but for a secret that is neither in a file nor in the environment:
/// no secret is in it.
std::string config_text(const Settings& settings);

}  // namespace gateway
