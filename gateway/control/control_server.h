// ControlServer: answers flowctl on the control socket (control_protocol.h).
//
// Theory of operation
//
// It lives on the control thread's io_context and is never on a packet's path. Each connection is a
// session of its own: it reads until a line is there, asks the StatusSource, writes, and closes. No
// session waits for another: whatever a peer does not send or read in time ends its own session
// only. There are at most kMostSessions; one more is told so and closed.
//
// The socket file is 0600 and the peer's uid is checked again (SO_PEERCRED): only the uid that the
// gateway runs as, and root, are heard. That of `liftgate run` does not hear whoever is in another
// network, because its command is, under the same uid. tests/gateway/control/control_server_test.cc
// states this.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>

#include "base/error.h"
#include "gateway/inspect/status.h"

namespace asio {
class io_context;
}

namespace gateway {

class CaptureSessions;
class EventFollowers;

struct ControlServerOptions {
  std::string path;           // see socket_path.h
  uid_t owner = ::geteuid();  // who is heard, besides root
  // Nobody is heard whose socket was made in another network namespace than ours.
  bool own_network_only = false;
  std::chrono::milliseconds request_patience{5'000};  // to send a whole request
  std::chrono::milliseconds reply_patience{10'000};   // to take the next part of the reply
  EventFollowers* followers = nullptr;                // where `events` go; outlives the server
  CaptureSessions* captures = nullptr;                // where `capture` goes; outlives the server
};

class ControlServer {
 public:
  static constexpr std::size_t kMostSessions = 256;

  /// Listens; answers while `loop` runs. `loop` and `source` outlive the server, and all three are
  /// used on one thread only.
  static base::SysResult<std::unique_ptr<ControlServer>> create(asio::io_context& loop,
                                                                const ControlServerOptions& options,
                                                                StatusSource& source);
  /// Ends every session and removes the socket file if it is still ours.
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

 private:
  class State;
  explicit ControlServer(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

}  // namespace gateway
