#include "gateway/upgrade/udp_upgrade.h"

#include <netinet/in.h>
#include <sys/socket.h>

namespace gateway {

base::Fd UdpUpgrade::open_socket(bool v4) {
  return base::Fd::adopt(
      ::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
}

flows::Drop UdpUpgrade::refusal_of(int /*error*/) {
  return flows::Drop::kNoDescriptor;
}

flows::Protocol UdpUpgrade::protocol(bool /*v4*/) const {
  return flows::Protocol::kUdp;
}

std::span<std::byte> UdpUpgrade::content(const RawPacket& packet,
                                         const flows::Packet& parsed) const {
  return packet.bytes.subspan(parsed.payload_offset);
}

std::size_t UdpUpgrade::headers_bytes(bool v4) const {
  return flows::ip_header_bytes(v4) + flows::kUdpHeaderBytes;
}

std::optional<flows::VnetHeader> UdpUpgrade::wrap(std::span<std::byte> packet,
                                                  const flows::Route& route) const {
  return flows::write_udp_headers(packet, route);
}

base::Port UdpUpgrade::remote_port(const base::Endpoint& remote,
                                   const base::Endpoint& /*source*/) const {
  return remote.port;
}

}  // namespace gateway
