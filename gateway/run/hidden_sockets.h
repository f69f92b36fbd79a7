// HiddenSockets: which ways to a gateway's control the command of `liftgate run` is not to see.
//
// Theory of operation
//
// The command has its user's uid, and could speak to every control socket and on-ramp of that user.
// So in its mount namespace, Liftgate's own directories are empty ones, which gateways that it
// starts itself may use, and an empty file covers each socket that was named elsewhere. Neither can
// be taken away inside: a mount that came from a namespace with more rights is locked. A path that
// nobody can foresee (the directory is mounted elsewhere, too; the socket has a second name) leads
// to the socket all the same, and there the gateway of a `run` sees which network the client is
// of: ControlClients::kOwnNetwork. integration/command_isolation_test.cc states all of it.
#pragma once

#include <string>
#include <vector>

namespace gateway {

struct HiddenSockets {
  std::vector<std::string> directories;  // absolute; they need not be there
  std::vector<std::string> sockets;      // absolute; they are there
};

/// `control_path`: of this gateway, which listens there by now. The one that $LIFTGATE_SOCKET names
/// may be another's.
HiddenSockets hidden_sockets(const std::string& control_path);

}  // namespace gateway
