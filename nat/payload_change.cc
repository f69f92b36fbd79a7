#include "nat/payload_change.h"

#include "base/byte_order.h"
#include "base/check.h"
#include "flows/internet_checksum.h"
#include "nat/checksum_offset.h"

namespace nat {

using flows::Protocol;

void renew_checksum(std::span<std::byte> bytes, const flows::Packet& packet,
                    const flows::VnetHeader& vnet) {
  CHECK(!packet.is_fragment);
  const auto offset = checksum_offset(packet.protocol);
  if (!offset || vnet.has_partial_checksum()) {
    return;
  }
  const auto transport = bytes.subspan(packet.transport_offset);
  const bool is_udp = packet.protocol == Protocol::kUdp;
  if (is_udp && packet.is_v4() && base::load_be<std::uint16_t>(transport, *offset) == 0) {
    return;
  }
  base::store_be<std::uint16_t>(transport, *offset, 0);
  const std::uint32_t pseudo =
      packet.protocol == Protocol::kIcmp
          ? 0
          : flows::pseudo_header_sum(packet.source.address, packet.destination.address,
                                     packet.protocol, static_cast<std::uint32_t>(transport.size()));
  const std::uint16_t checksum =
      flows::checksum_of(flows::fold(flows::sum_of(transport)) + flows::fold(pseudo));
  base::store_be<std::uint16_t>(transport, *offset, is_udp && checksum == 0 ? 0xffff : checksum);
}

}  // namespace nat
