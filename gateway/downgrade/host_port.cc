#include "gateway/downgrade/host_port.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>

#include "flows/protocol.h"

namespace gateway {

using base::Endpoint;
using base::Error;
using base::Fd;
using base::SysResult;
using base::Unexpected;

namespace {

std::string cure_of(int error, const Endpoint& listen, bool tcp) {
  const std::string port = std::to_string(number(listen.port));
  if (error == EADDRINUSE) {
    return "Publish another port, or end the program that has this one (`ss -l" +
           std::string(tcp ? "t" : "u") + "np sport = :" + port + "` shows it)";
  }
  if (error == EACCES) {
    return "Publish a port from 1024 on, or lower net.ipv4.ip_unprivileged_port_start";
  }
  if (error == EADDRNOTAVAIL) {
    return "Publish an address that this host has (`ip address` shows them)";
  }
  return {};
}

}  // namespace

SysResult<HostPort> open_host_port(const Endpoint& listen, flows::Protocol protocol) {
  const bool tcp = protocol == flows::Protocol::kTcp;
  const base::SocketAddress address(listen);
  const std::string doing =
      "publishing " + listen.to_string() + "/" + std::string(flows::protocol_name(protocol));
  const auto fail = [&] {
    Error error = base::last_error(doing);
    error.cure = cure_of(error.code.value(), listen, tcp);
    return Unexpected{std::move(error)};
  };
  HostPort port{
      .socket = Fd::adopt(::socket(
          address.family(), (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
      .local = listen,
      .protocol = protocol};
  if (!port.socket.is_open()) {
    return fail();
  }
  const int on = 1;
  if (tcp) {  // for UDP it would let two programs share the port
    ::setsockopt(port.socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  }
  if (address.family() == AF_INET6) {
    ::setsockopt(port.socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  base::SocketAddress local;
  if (::bind(port.socket.get(), address.data(), address.size()) != 0 ||
      (tcp && ::listen(port.socket.get(), SOMAXCONN) != 0) ||
      ::getsockname(port.socket.get(), local.data(), &local.size()) != 0) {
    return fail();
  }
  port.local = local.endpoint().value_or(listen);
  return port;
}

}  // namespace gateway
