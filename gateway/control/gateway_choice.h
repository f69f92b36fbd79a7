// Gateway choice: which of the running gateways is meant, for flowctl and `liftgate reload` alike.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/result.h"
#include "gateway/control/control_client.h"

namespace gateway {

/// Where to look for the gateway.
struct SocketChoice {
  std::string path;
  // Whether a `liftgate run` may stand in when nobody answers there: only when nobody named the
  // path.
  bool or_single_run = false;
};

/// `option` is that of --socket.
SocketChoice choose_socket(const std::optional<std::string>& option);

/// As ask_gateway(), of the gateway that was chosen. Where there is none, or not one alone, the
/// message says what to do (and has several lines).
base::Result<ControlReply, ControlFailure> ask_chosen(
    const SocketChoice& choice, const ControlRequest& request,
    std::optional<std::chrono::milliseconds> patience = std::nullopt);

/// The same for a request whose reply is the beginning.
base::Result<ControlStream, ControlFailure> open_chosen_stream(const SocketChoice& choice,
                                                               const ControlRequest& request);

}  // namespace gateway
