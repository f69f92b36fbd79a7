#include "gateway/run/hidden_sockets.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "gateway/control/socket_path.h"

namespace gateway {

HiddenSockets hidden_sockets(const std::string& control_path) {
  HiddenSockets hidden{.directories = control_directories(), .sockets = {}};
  const std::string usual = default_control_path();
  for (const std::string& path : {control_path, usual, default_onramp_path(usual)}) {
    std::error_code failed;
    const auto absolute = std::filesystem::absolute(path, failed);
    if (std::filesystem::is_socket(absolute, failed) &&
        std::ranges::find(hidden.sockets, absolute.string()) == hidden.sockets.end()) {
      hidden.sockets.push_back(absolute.string());
    }
  }
  return hidden;
}

}  // namespace gateway
