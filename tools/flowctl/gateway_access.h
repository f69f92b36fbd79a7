// Gateway access: one request of flowctl to the gateway that it talks to.
#pragma once

#include <chrono>
#include <optional>

#include "base/result.h"
#include "gateway/control/gateway_choice.h"
#include "tools/flowctl/failure.h"

namespace flowctl {

using gateway::choose_socket;
using gateway::SocketChoice;

/// Sends `request` to the gateway that was chosen.
base::Result<gateway::ControlReply, Failure> ask(
    const SocketChoice& choice, const gateway::ControlRequest& request,
    std::optional<std::chrono::milliseconds> patience = std::nullopt);

/// The same for a request whose reply is the beginning.
base::Result<gateway::ControlStream, Failure> open_stream(const SocketChoice& choice,
                                                          const gateway::ControlRequest& request);

}  // namespace flowctl
