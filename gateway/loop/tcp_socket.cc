#include "gateway/loop/tcp_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace gateway {
namespace {

void set_option(const base::Fd& socket, int level, int name, int value) {
  ::setsockopt(socket.get(), level, name, &value, sizeof(value));
}

}  // namespace

void reset_on_close(const base::Fd& socket) {
  const linger abort{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
}

void set_relay_options(const base::Fd& socket) {
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  // Chosen: after 10 idle minutes, every minute, 6 times; RFC 1122 4.2.3.6 asks for 2 hours by
  // default because of costs that a tunnel does not have.
  set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, 600);
  set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, 60);
  set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, 6);
  set_option(socket, SOL_SOCKET, SO_OOBINLINE, 1);
}

}  // namespace gateway
