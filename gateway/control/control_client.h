// Control client: one request to a running gateway, for flowctl and for tests. Blocks.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "gateway/control/control_protocol.h"

namespace gateway {

struct ControlReply {
  std::string line;  // as the gateway wrote it, without its end; may say that it refuses
  std::vector<base::Fd> flow_regions;  // when the request was kFlows and was granted
};

struct ControlFailure {
  bool no_daemon = false;  // nobody answers at the path
  std::string message;
};

/// A request whose reply is the beginning: the connection goes on.
struct ControlStream {
  base::Fd socket;
  std::string line;  // as ControlReply's
  std::vector<base::Fd> attached;
  std::string rest;  // what has come behind the line already
};
/// As ask_gateway(), and keeps the connection.
base::Result<ControlStream, ControlFailure> open_stream(
    const std::string& path, const ControlRequest& request,
    std::optional<std::chrono::milliseconds> patience = std::nullopt);

/// Sends `request` to the gateway at `path` and returns its reply. Fails when none comes within
/// `patience`, by default one that suits the request, or soon when the gateway's process is
/// stopped; or when the socket belongs to neither our uid nor root: what such a one says is not
/// to be believed (root believes everybody).
base::Result<ControlReply, ControlFailure> ask_gateway(
    const std::string& path, const ControlRequest& request,
    std::optional<std::chrono::milliseconds> patience = std::nullopt);

}  // namespace gateway
