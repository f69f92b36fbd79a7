#include "gateway/upgrade/source_ports.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

namespace gateway {
namespace {

constexpr int kIpLocalPortRange = 51;  // IP_LOCAL_PORT_RANGE; Debian 12's headers are of Linux 6.1

// A window of 0 and 0 is the kernel's own range.
bool set_window(const base::Fd& socket, PortRange window) {
  const std::uint32_t ports =
      std::uint32_t{base::number(window.last)} << 16U | base::number(window.first);
  return ::setsockopt(socket.get(), IPPROTO_IP, kIpLocalPortRange, &ports, sizeof(ports)) == 0;
}

int begin_connect(const base::Fd& socket, const base::SocketAddress& address) {
  const int done = ::connect(socket.get(), address.data(), address.size());
  return done == 0 || errno == EINPROGRESS ? 0 : errno;
}

}  // namespace

PortRange local_port_range() {
  std::ifstream setting("/proc/sys/net/ipv4/ip_local_port_range");
  std::uint16_t first = 0, last = 0;
  if (setting >> first >> last && first <= last) {
    return {base::Port{first}, base::Port{last}};
  }
  return {base::Port{32768}, base::Port{60999}};
}

int SourcePorts::connect(const base::Fd& socket, const base::Endpoint& upstream,
                         base::Instant now) {
  if (exhausted_.holds(upstream, now)) {
    return EADDRNOTAVAIL;
  }
  const base::SocketAddress address(upstream);
  int error = EADDRNOTAVAIL;
  for (int tries = 0; tries <= kTries && error == EADDRNOTAVAIL; ++tries) {
    const bool is_window =
        set_window(socket, tries < kTries ? next_window() : PortRange{}) && tries < kTries;
    error = begin_connect(socket, address);
    if (!is_window) {
      break;  // it has looked everywhere
    }
  }
  if (error == EADDRNOTAVAIL) {
    exhausted_.add(upstream, now);
  }
  return error;
}

PortRange SourcePorts::next_window() {
  const std::uint32_t lowest = base::number(range_.first);
  const std::uint32_t ports = base::number(range_.last) - lowest + 1;
  const std::uint32_t width = std::min(ports, kWindow);
  base::SipHash<1, 3> hash(seed_);
  const std::uint64_t random = hash.finish(++windows_, sizeof(windows_) - 1);
  const auto first = static_cast<std::uint16_t>(lowest + random % (ports - width + 1));
  return {base::Port{first}, base::Port{static_cast<std::uint16_t>(first + width - 1)}};
}

}  // namespace gateway
