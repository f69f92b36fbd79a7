// Where the control socket is, for the daemon and for flowctl alike, and the folder it lies in.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/error.h"

namespace gateway {

/// What default_control_path() looks at, as values.
struct ControlPathFacts {
  std::string liftgate_socket;    // $LIFTGATE_SOCKET; empty: not set
  std::string runtime_directory;  // $XDG_RUNTIME_DIR; empty: not set
  bool may_use_run = false;       // /run/liftgate is writable, or can be made
  uid_t uid = 0;
};

/// $LIFTGATE_SOCKET, else $XDG_RUNTIME_DIR/liftgate/control.sock, else /run/liftgate/control.sock
/// when it may be used, else /tmp/liftgate-UID/control.sock. A relative $XDG_RUNTIME_DIR is
/// ignored, as its specification asks.
std::string control_path(const ControlPathFacts& facts);

/// control_path() of this process.
std::string default_control_path();

/// Liftgate's own directories: wherever the control socket would be by the rules above, if nothing
/// named it. What is in them belongs to gateways.
std::vector<std::string> control_directories(const ControlPathFacts& facts);
std::vector<std::string> control_directories();

/// onramp.sock in the control socket's folder.
std::string default_onramp_path(const std::string& control_path);

/// Makes the folder that `path` lies in, and those above it, with mode 0700 where they are missing.
/// Below a folder that everybody may write to, such as /tmp, it refuses what another user made:
/// who owns the folder decides whom we talk to.
base::SysResult<void> make_parent_directory(const std::string& path);

}  // namespace gateway
