// Config writer: every setting as commented YAML.
#pragma once

#include <string>

namespace gateway {

/// The defaults of this machine and user, complete and explained. Loading it gives
/// default_settings(). What is commented out with `#` and no space is a sample to start from.
std::string default_config();

}  // namespace gateway
