// UdpClient: a UDP socket in a test's hands, in a client's sandbox or on the host side.
#pragma once

#include <optional>
#include <string>

#include "base/endpoint.h"
#include "integration/support/client_network.h"
#include "integration/support/must.h"
#include "integration/support/wait.h"

namespace integration {

class UdpClient {
 public:
  explicit UdpClient(const ClientNetwork& network, int family = AF_INET)
      : socket_(network.socket(family, SOCK_DGRAM | SOCK_CLOEXEC)) {
    const int bytes = 4 << 20;
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
  }

  /// On the host side.
  explicit UdpClient(int family)
      : socket_(
            base::Fd::adopt(must_call(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"))) {}

  void send_to(const base::Endpoint& to, const std::string& payload) const {
    const base::SocketAddress address(to);
    must_call(
        ::sendto(socket_.get(), payload.data(), payload.size(), 0, address.data(), address.size()),
        "sendto " + to.to_string());
  }
  /// Then errors of the network reach it, too.
  void connect(const base::Endpoint& to) const {
    const base::SocketAddress address(to);
    must_call(::connect(socket_.get(), address.data(), address.size()), "connect");
  }

  struct Datagram {
    base::Endpoint from;
    std::string payload;
    int error = 0;  // errno, instead of a datagram
  };
  /// The next datagram or error. Throws when there is none in time.
  [[nodiscard]] Datagram receive(base::Duration limit = kPatience) const {
    if (!ready_within(limit, socket_)) {
      give_up("no datagram came");
    }
    Datagram datagram;
    datagram.payload.resize(70'000);
    base::SocketAddress from;
    const ssize_t got = ::recvfrom(socket_.get(), datagram.payload.data(), datagram.payload.size(),
                                   0, from.data(), &from.size());
    datagram.error = got < 0 ? errno : 0;
    datagram.payload.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    datagram.from = from.endpoint().value_or(base::Endpoint{});
    return datagram;
  }
  /// Sends and takes the next datagram.
  [[nodiscard]] Datagram ask(const base::Endpoint& to, const std::string& payload) const {
    send_to(to, payload);
    return receive();
  }

  [[nodiscard]] const base::Fd& socket() const { return socket_; }

 private:
  base::Fd socket_;
};

}  // namespace integration
