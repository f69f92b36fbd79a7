#include "gateway/upgrade/ping_upgrade.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "gateway/log.h"
#include "gateway/log_value.h"

namespace gateway {

using flows::Protocol;

base::Fd PingUpgrade::open_socket(bool v4) {
  return base::Fd::adopt(::socket(v4 ? AF_INET : AF_INET6,
                                  SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                                  v4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6}));
}

flows::Drop PingUpgrade::refusal_of(int error) {
  if (error != EACCES && error != EPERM) {
    return flows::Drop::kNoDescriptor;
  }
  if (!std::exchange(said_forbidden_, true)) {
    log_warn("ping refused error={} cure={}",
             LogValue{"net.ipv4.ping_group_range does not include a group of the gateway"},
             LogValue{"as root: sysctl -w net.ipv4.ping_group_range=\"0 2147483647\""});
  }
  return flows::Drop::kPingForbidden;
}

Protocol PingUpgrade::protocol(bool v4) const {
  return v4 ? Protocol::kIcmp : Protocol::kIcmpv6;
}

std::span<std::byte> PingUpgrade::content(const RawPacket& packet,
                                          const flows::Packet& parsed) const {
  return packet.bytes.subspan(parsed.transport_offset);
}

std::size_t PingUpgrade::headers_bytes(bool v4) const {
  return flows::ip_header_bytes(v4);
}

std::optional<flows::VnetHeader> PingUpgrade::wrap(std::span<std::byte> packet,
                                                   const flows::Route& route) const {
  if (packet.size() < headers_bytes(route.from.address.is_v4()) + flows::kEchoHeaderBytes) {
    return std::nullopt;
  }
  flows::write_echo_headers(packet, route);
  return flows::VnetHeader{};
}

base::Port PingUpgrade::remote_port(const base::Endpoint& /*remote*/,
                                    const base::Endpoint& source) const {
  return source.port;
}

}  // namespace gateway
