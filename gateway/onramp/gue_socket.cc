#include "gateway/onramp/gue_socket.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>

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
