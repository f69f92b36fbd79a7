// `liftgate reload`: has a running gateway take over its configuration file.
#pragma once

#include <optional>
#include <string>

namespace gateway {

/// `config_path`: empty is the one that the gateway was started with. `socket`: that of
/// --socket, if it was given. The exit status of the process: 0 done, 1 refused, 3 nobody there.
int reload(const std::string& config_path, const std::optional<std::string>& socket);

}  // namespace gateway
