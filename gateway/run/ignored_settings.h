// Ignored settings: what of a configuration has no meaning for `liftgate run`.
#pragma once

#include <string>
#include <vector>

#include "gateway/config/settings.h"

namespace gateway {

/// The keys that differ from their defaults, and that nothing comes of: "onramps",
/// "telemetry.listen".
std::vector<std::string> ignored_by_run(const Settings& settings);

}  // namespace gateway
