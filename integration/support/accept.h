// The connection that comes next.
#pragma once

#include <sys/socket.h>

#include "integration/support/must.h"
#include "integration/support/tcp_connection.h"

namespace integration {

/// Throws when none comes in time.
inline TcpConnection accept_from(const base::Fd& listener) {
  if (!ready_within(kPatience, listener)) {
    give_up("nobody connected");
  }
  return TcpConnection(base::Fd::adopt(must_call(
      ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK), "accept")));
}

}  // namespace integration
