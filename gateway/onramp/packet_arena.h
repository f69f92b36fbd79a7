// PacketArena: the memory that one batch of packets is received into. One per shard, reused by
// every batch.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "gateway/onramp/raw_packet.h"

namespace gateway {

/// Slots are an odd number of cache lines apart: equal distances of 64 KiB would put the headers of
/// all packets into the same few sets of the caches.
class PacketArena {
 public:
  static constexpr std::size_t kBatch = 64;  // chosen: packets per wake-up of one tunnel
  static constexpr std::size_t kMaxPacketBytes = 65535;

  PacketArena()
      : bytes_(std::make_unique_for_overwrite<std::byte[]>(kBatch * slot_stride(kMaxPacketBytes))) {
  }

  /// Room for packet `index` of a batch whose packets have at most `max_bytes`, and one byte more,
  /// so that a longer one shows. The headroom in front is RawPacket's.
  [[nodiscard]] std::span<std::byte> slot(std::size_t index, std::size_t max_bytes) {
    std::byte* start = bytes_.get() + index * slot_stride(max_bytes);
    return {start + kLead, max_bytes + 1};
  }

 private:
  static constexpr std::size_t kCacheLine = 64;
  // Packets start 16 bytes in: aligned, and with headroom to spare.
  static constexpr std::size_t kLead = 12;
  static_assert(kLead >= RawPacket::kHeadroomBytes);

  static constexpr std::size_t slot_stride(std::size_t max_bytes) {
    const std::size_t lines = (kLead + max_bytes + 1 + kCacheLine - 1) / kCacheLine;
    return (lines | 1) * kCacheLine;
  }

  std::unique_ptr<std::byte[]> bytes_;
};

}  // namespace gateway
