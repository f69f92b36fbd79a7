// RawPacket: one packet on its way through a shard, in memory that the shard lends for a batch.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>

#include "flows/vnet_header.h"

namespace gateway {

/// In front of `bytes` there are always kHeadroomBytes that may be written: one write(2) then hands
/// offload header and packet to a TUN. Only to_wire() writes there, so nobody prepends twice.
struct RawPacket {
  static constexpr std::size_t kHeadroomBytes = sizeof(flows::VnetHeader);

  flows::VnetHeader vnet;
  std::span<std::byte> bytes;

  /// The packet with its offload header in front, contiguous.
  [[nodiscard]] std::span<const std::byte> to_wire() const {
    std::byte* start = bytes.data() - kHeadroomBytes;
    std::memcpy(start, &vnet, sizeof(vnet));
    return {start, kHeadroomBytes + bytes.size()};
  }
};

}  // namespace gateway
