#include "gateway/onramp/gue_socket.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>

#include "gateway/log.h"
#include "gateway/log_value.h"

namespace gateway {

using base::SysResult;
using base::Unexpected;

namespace {

bool set(const base::Fd& fd, int level, int option, int value) {
  return ::setsockopt(fd.get(), level, option, &value, sizeof(value)) == 0;
}

base::Error bind_error(const base::Endpoint& listen) {
  base::Error error = base::last_error("listening for GUE on " + listen.to_string());
  switch (error.code.value()) {
    case EADDRINUSE:
      error.cure = "`ss -lunp` names who has the port; end that program, or configure another port";
      break;
    case EADDRNOTAVAIL:
      error.cure = "Configure an address that this machine has (`ip address` lists them)";
      break;
    case EACCES:
      error.cure = "Configure a port from 1024 on";
      break;
    default:
      break;
  }
  return error;
}

}  // namespace

SysResult<GueSocket> GueSocket::open(const base::Endpoint& listen, bool offload) {
  return open_one(listen, offload, false);
}

// The first one binds alone, so that a port which somebody else has is refused, be it one of ours
// that would share it; only then does it share with the others.
SysResult<std::vector<GueSocket>> GueSocket::open_group(const base::Endpoint& listen, bool offload,
                                                        std::size_t count,
                                                        std::vector<sock_filter> steering) {
  std::vector<GueSocket> group;
  for (std::size_t i = 0; i < count; ++i) {
    const bool is_first = group.empty();
    auto socket = open_one(is_first ? listen : group.front().listen, offload, !is_first);
    if (!socket) {
      return Unexpected{socket.error()};
    }
    if (is_first && count > 1 && !set(socket->fd, SOL_SOCKET, SO_REUSEPORT, 1)) {
      return Unexpected{base::last_error("SO_REUSEPORT for the gue on-ramp")};
    }
    group.push_back(std::move(socket).value());
  }
  if (count > 1) {
    const sock_fprog program{.len = static_cast<unsigned short>(steering.size()),
                             .filter = steering.data()};
    if (::setsockopt(group.front().fd.get(), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
                     sizeof(program)) != 0) {
      log_warn("gue on-ramp hands datagrams over between workers listen={} error={}",
               group.front().listen.to_string(), LogValue{base::last_error("steering").message()});
    }
  }
  return group;
}

SysResult<GueSocket> GueSocket::open_one(const base::Endpoint& listen, bool offload,
                                         bool shares_port) {
  const base::SocketAddress address(listen);
  GueSocket made;
  made.listen = listen;
  made.offload = offload;
  made.is_wildcard =
      listen.address == base::IpAddress() || listen.address == base::IpAddress::v4(0);
  made.fd = base::Fd::adopt(
      ::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP));
  if (!made.fd.is_open()) {
    return Unexpected{base::last_error("socket for the gue on-ramp")};
  }
  if (shares_port && !set(made.fd, SOL_SOCKET, SO_REUSEPORT, 1)) {
    return Unexpected{base::last_error("SO_REUSEPORT for the gue on-ramp")};
  }
  const bool v4 = address.family() == AF_INET;
  if (!v4 && !set(made.fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) {
    return Unexpected{base::last_error("IPV6_V6ONLY for the gue on-ramp")};
  }
  if (made.is_wildcard && !(v4 ? set(made.fd, IPPROTO_IP, IP_PKTINFO, 1)
                               : set(made.fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1))) {
    return Unexpected{base::last_error("IP_PKTINFO for the gue on-ramp")};
  }
  // Neither is needed: without UDP_GRO each receive brings one datagram, and asking for more room
  // than net.core.rmem_max allows gives that.
  if (offload) {
    (void)set(made.fd, IPPROTO_UDP, UDP_GRO, 1);
  }
  (void)set(made.fd, SOL_SOCKET, SO_RCVBUF, 4 << 20);
  (void)set(made.fd, SOL_SOCKET, SO_SNDBUF, 4 << 20);
  if (::bind(made.fd.get(), address.data(), address.size()) != 0) {
    return Unexpected{bind_error(listen)};
  }
  base::SocketAddress bound;
  if (::getsockname(made.fd.get(), bound.data(), &bound.size()) != 0) {
    return Unexpected{base::last_error("getsockname of the gue on-ramp")};
  }
  made.listen = bound.endpoint().value_or(listen);
  return made;
}

}  // namespace gateway
