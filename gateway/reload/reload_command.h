// `liftgate reload`: has a running gateway take over its configuration file.
#pragma once

#include <string>

namespace gateway {

/// `config_path`: empty is the one that the gateway was started with. `socket`: empty is the usual
/// one. The exit status of the process: 0 done, 1 refused, 3 nobody there.
int reload(const std::string& config_path, const std::string& socket);

}  // namespace gateway
