// Config writer: every setting as commented YAML.
#pragma once

#include <string>

#include "gateway/hooks/app_settings.h"

namespace gateway {

/// The defaults of this machine and user, complete and explained. Loading it gives
/// default_settings(). What is commented out with `#` and no space is a sample to start from.
/// `app`: the defaults of the app whose gateway it is.
std::string default_config(const hooks::AppSection& app = {});

}  // namespace gateway
