#include "integration/support/tcp_connection.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <ostream>
#include <utility>

#include "integration/support/must.h"

namespace integration {

using base::Fd;

namespace {

constexpr std::size_t kPartBytes = 128 * 1024;
constexpr int kBacklog = 4096;

Fd new_socket(int family) {
  return Fd::adopt(
      must_call(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket"));
}

int socket_error(const Fd& socket) {
  int error = 0;
  socklen_t size = sizeof(error);
  must_call(::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size), "SO_ERROR");
  return error;
}

}  // namespace

std::ostream& operator<<(std::ostream& stream, End end) {
  switch (end) {
    case End::kFin:
      return stream << "FIN";
    case End::kReset:
      return stream << "RST";
    case End::kNone:
      return stream << "no end";
  }
  return stream;
}

TcpConnection::TcpConnection(Fd socket) : socket_(std::move(socket)) {
  const int flags = must_call(::fcntl(socket_.get(), F_GETFL), "F_GETFL");
  must_call(::fcntl(socket_.get(), F_SETFL, flags | O_NONBLOCK), "F_SETFL");
}

TcpConnection TcpConnection::connect(const base::Endpoint& to) {
  return connect(new_socket(base::SocketAddress(to).family()), to);
}

TcpConnection TcpConnection::connect(Fd socket, const base::Endpoint& to) {
  if (const auto error = try_connect(socket, to)) {
    give_up("connecting to " + to.to_string() + ": " + error.message());
  }
  return TcpConnection(std::move(socket));
}

std::error_code TcpConnection::try_connect(const Fd& socket, const base::Endpoint& to,
                                           base::Duration limit) {
  const base::SocketAddress address(to);
  const auto code = [](int error) { return std::error_code(error, std::generic_category()); };
  if (::connect(socket.get(), address.data(), address.size()) == 0) {
    return {};
  }
  if (errno != EINPROGRESS) {
    return code(errno);
  }
  return ready_within(limit, socket, POLLOUT) ? code(socket_error(socket)) : code(ETIMEDOUT);
}

void TcpConnection::send(std::string_view text) {
  send(std::as_bytes(std::span(text)));
}

void TcpConnection::send(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    } else if (errno != EAGAIN) {
      give_up(base::last_error("send").message());
    } else if (!ready_within(kPatience, socket_, POLLOUT)) {
      give_up("send: the peer does not read");
    }
  }
}

std::string TcpConnection::receive(std::size_t bytes) {
  std::string received(bytes, '\0');
  std::size_t have = 0;
  while (have < bytes) {
    if (!ready_within(kPatience, socket_)) {
      give_up("receive: only '" + received.substr(0, have) + "' came");
    }
    const auto size = ::recv(socket_.get(), received.data() + have, bytes - have, 0);
    if (size == 0) {
      give_up("receive: the end after '" + received.substr(0, have) + "'");
    }
    have += static_cast<std::size_t>(must_call(size, "recv"));
  }
  return received;
}

std::string TcpConnection::receive_all() {
  std::string all;
  const End end = drain([&](std::span<const std::byte> part) {
    all.append(reinterpret_cast<const char*>(part.data()), part.size());
  });
  if (end != End::kFin) {
    give_up("receive_all: " + std::string(end == End::kReset ? "RST" : "no end") + " after " +
            std::to_string(all.size()) + " bytes");
  }
  return all;
}

End TcpConnection::drain(const std::function<void(std::span<const std::byte>)>& sink,
                         base::Duration limit) {
  std::vector<std::byte> part(kPartBytes);
  // The limit is for silence: a long transfer may take its time.
  while (ready_within(limit, socket_)) {
    const auto size = ::recv(socket_.get(), part.data(), part.size(), 0);
    if (size == 0) {
      return End::kFin;
    }
    if (size < 0) {
      if (errno == ECONNRESET || errno == EPIPE) {
        return End::kReset;
      }
      give_up(base::last_error("recv").message());
    }
    sink(std::span(part).first(static_cast<std::size_t>(size)));
  }
  return End::kNone;
}

End TcpConnection::wait_for_end(base::Duration limit) {
  return drain([](std::span<const std::byte>) {}, limit);
}

void TcpConnection::finish_sending() {
  must_call(::shutdown(socket_.get(), SHUT_WR), "shutdown");
}

void TcpConnection::reset_on_close() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  must_call(::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)),
            "SO_LINGER");
}

void TcpConnection::reset() {
  reset_on_close();
  socket_.reset();
}

void TcpConnection::close() {
  socket_.reset();
}

base::Endpoint TcpConnection::local() const {
  return local_endpoint(socket_);
}

base::Endpoint TcpConnection::peer() const {
  base::SocketAddress address;
  must_call(::getpeername(socket_.get(), address.data(), &address.size()), "getpeername");
  return address.endpoint().value();
}

End end_of_new_connection(const base::Endpoint& to) {
  Fd socket = new_socket(base::SocketAddress(to).family());
  if (const auto error = TcpConnection::try_connect(socket, to)) {
    if (error.value() == ECONNRESET) {
      return End::kReset;
    }
    give_up("connecting to " + to.to_string() + ": " + error.message());
  }
  return TcpConnection(std::move(socket)).wait_for_end();
}

Fd listen_on(const base::Endpoint& at) {
  const base::SocketAddress address(at);
  Fd socket = new_socket(address.family());
  const int on = 1;
  must_call(::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), "SO_REUSEADDR");
  must_call(::bind(socket.get(), address.data(), address.size()), "bind " + at.to_string());
  must_call(::listen(socket.get(), kBacklog), "listen");
  return socket;
}

base::Endpoint local_endpoint(const Fd& socket) {
  base::SocketAddress address;
  must_call(::getsockname(socket.get(), address.data(), &address.size()), "getsockname");
  return address.endpoint().value();
}

}  // namespace integration
