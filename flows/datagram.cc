#include "flows/datagram.h"

#include "base/byte_order.h"
#include "base/check.h"
#include "flows/internet_checksum.h"

namespace flows {

using base::store_be;

VnetHeader write_udp_headers(std::span<std::byte> packet, const Route& route) {
  const std::size_t ip_bytes = ip_header_bytes(route.from.address.is_v4());
  CHECK(packet.size() >= ip_bytes + kUdpHeaderBytes);
  write_ip_header(packet, {route.from.address, route.to.address}, Protocol::kUdp, route.ttl);
  const auto datagram = packet.subspan(ip_bytes);
  const auto length = static_cast<std::uint16_t>(datagram.size());
  store_be(datagram, 0, number(route.from.port));
  store_be(datagram, 2, number(route.to.port));
  store_be(datagram, 4, length);
  store_be(datagram, 6,
           fold(pseudo_header_sum(route.from.address, route.to.address, Protocol::kUdp, length)));
  return {.flags = VnetHeader::kNeedsChecksum,
          .checksum_start = static_cast<std::uint16_t>(ip_bytes),
          .checksum_offset = 6};
}

void write_echo_headers(std::span<std::byte> packet, const Route& route) {
  const bool v4 = route.from.address.is_v4();
  const std::size_t ip_bytes = ip_header_bytes(v4);
  CHECK(packet.size() >= ip_bytes + kEchoHeaderBytes);
  const Protocol protocol = v4 ? Protocol::kIcmp : Protocol::kIcmpv6;
  write_ip_header(packet, {route.from.address, route.to.address}, protocol, route.ttl);
  const auto message = packet.subspan(ip_bytes);
  const std::uint32_t pseudo =
      v4 ? 0
         : pseudo_header_sum(route.from.address, route.to.address, protocol,
                             static_cast<std::uint32_t>(message.size()));
  store_be<std::uint16_t>(message, 2, 0);
  store_be(message, 4, number(route.to.port));
  store_be(message, 2, checksum_of(pseudo + sum_of(message)));
}

}  // namespace flows
