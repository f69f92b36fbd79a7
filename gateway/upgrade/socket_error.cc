#include "gateway/upgrade/socket_error.h"

#include <cerrno>

namespace gateway {

using flows::Unreachable;

bool is_our_lack(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
         error == EADDRNOTAVAIL || error == ENOSPC;
}

// The reverse of icmp_err_convert in net/ipv4/icmp.c and icmpv6_err_convert in net/ipv6/icmp.c.
std::optional<Unreachable> as_unreachable(int error) {
  switch (error) {
    case ENETUNREACH:
    case ENETDOWN:
    case ENONET:
      return Unreachable::kNet;
    case EHOSTUNREACH:
    case EHOSTDOWN:
      return Unreachable::kHost;
    case EACCES:
    case EPERM:
      return Unreachable::kAdminProhibited;
    case ENOPROTOOPT:
      return Unreachable::kProtocol;
    default:
      return std::nullopt;
  }
}

}  // namespace gateway
