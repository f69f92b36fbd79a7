// Gateway access: which gateway flowctl talks to, and one request to it.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/result.h"
#include "gateway/control/control_client.h"
#include "tools/flowctl/failure.h"

namespace flowctl {

/// Where to look for the gateway.
struct SocketChoice {
  std::string path;
  // Whether a `liftgate run` may stand in when nobody answers there: only when nobody named the
  // path.
  bool or_single_run = false;
};

/// `option` is that of --socket.
SocketChoice choose_socket(const std::optional<std::string>& option);

/// Sends `request` to the gateway that was chosen.
base::Result<gateway::ControlReply, Failure> ask(
    const SocketChoice& choice, const gateway::ControlRequest& request,
    std::chrono::milliseconds patience = std::chrono::seconds(30));

/// The same for a request whose reply is the beginning.
base::Result<gateway::ControlStream, Failure> open_stream(const SocketChoice& choice,
                                                          const gateway::ControlRequest& request);

}  // namespace flowctl
