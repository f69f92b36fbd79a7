#include "gateway/loop/acceptor.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "gateway/descriptors.h"
#include "gateway/loop/tcp_socket.h"

namespace gateway {

using base::Fd;

namespace {

Fd open_spare() {
  return Fd::adopt(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

Fd accept_from(const Fd& listener, base::SocketAddress& peer) {
  return Fd::adopt(
      ::accept4(listener.get(), peer.data(), &peer.size(), SOCK_NONBLOCK | SOCK_CLOEXEC));
}

}  // namespace

Acceptor::Acceptor() : spare_(open_spare()) {}

std::optional<Acceptor::Arrival> Acceptor::next(const Fd& listener) {
  for (;;) {
    base::SocketAddress peer;
    Fd socket = accept_from(listener, peer);
    if (socket.is_open()) {
      if (is_reserved(socket)) {
        reset_on_close(socket);
        socket.reset();
      }
      return Arrival{std::move(socket), peer.endpoint().value_or(base::Endpoint{})};
    }
    if (errno == EMFILE || errno == ENFILE) {
      return refuse_one(listener);
    }
    if (errno != ECONNABORTED && errno != EINTR && errno != EPROTO) {
      return std::nullopt;
    }
    // That one is gone, the next may be there.
  }
}

// EMFILE comes before EAGAIN: nobody may be waiting at all.
std::optional<Acceptor::Arrival> Acceptor::refuse_one(const Fd& listener) {
  spare_.reset();
  base::SocketAddress peer;
  Fd socket = accept_from(listener, peer);
  const bool refused = socket.is_open();
  if (refused) {
    reset_on_close(socket);
    socket.reset();
  }
  spare_ = open_spare();
  return refused ? std::optional(Arrival{{}, peer.endpoint().value_or(base::Endpoint{})})
                 : std::nullopt;
}

}  // namespace gateway
