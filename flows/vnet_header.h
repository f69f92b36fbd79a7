// VnetHeader: the 10 bytes in front of a packet that say what offload still has to do.
//
// Source: struct virtio_net_hdr in linux/virtio_net.h, in the host's byte order as TUN devices use
// it by default. Defined here because Debian's header does not compile as C++.
#pragma once

#include <cstdint>
#include <type_traits>

namespace flows {

struct VnetHeader {
  static constexpr std::uint8_t kNeedsChecksum = 1;  // flags: csum_start and csum_offset are valid
  static constexpr std::uint8_t kDataValid = 2;      // flags: the checksum was verified
  static constexpr std::uint8_t kGsoNone = 0;
  static constexpr std::uint8_t kGsoTcpV4 = 1;
  static constexpr std::uint8_t kGsoTcpV6 = 4;
  static constexpr std::uint8_t kGsoUdpL4 = 5;
  static constexpr std::uint8_t kGsoEcn = 0x80;  // or-ed to a TCP type: first segment carries CWR

  std::uint8_t flags = 0;
  std::uint8_t gso_type = kGsoNone;
  std::uint16_t header_bytes = 0;     // IP and TCP headers together; a hint
  std::uint16_t gso_bytes = 0;        // payload of each segment
  std::uint16_t checksum_start = 0;   // from the start of the packet
  std::uint16_t checksum_offset = 0;  // of the field, from checksum_start

  /// The checksum field holds the folded pseudo-header sum, not complemented; the kernel or device
  /// below sums from checksum_start on and completes it.
  [[nodiscard]] bool has_partial_checksum() const { return (flags & kNeedsChecksum) != 0; }
  [[nodiscard]] bool is_gso() const { return gso_type != kGsoNone; }

  /// The same for a packet whose checksum is known to be right, so that parse() need not sum it.
  [[nodiscard]] VnetHeader verified() const {
    VnetHeader header = *this;
    if (!has_partial_checksum()) {
      header.flags = static_cast<std::uint8_t>(flags | kDataValid);
    }
    return header;
  }
};

static_assert(sizeof(VnetHeader) == 10 && std::is_trivially_copyable_v<VnetHeader>);

}  // namespace flows
