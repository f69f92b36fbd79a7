#include "gateway/onramp/tun_reader.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace gateway {

void read_tun(const base::Fd& tun, PacketArena& arena, TunBatch& batch) {
  batch.count = 0;
  batch.closed = false;
  std::size_t bytes = 0;
  while (batch.count < batch.packets.size() && bytes < kTunBatchBytes) {
    const auto slot = arena.slot(batch.count, PacketArena::kMaxPacketBytes);
    std::byte* start = slot.data() - RawPacket::kHeadroomBytes;
    const ssize_t got = ::read(tun.get(), start, RawPacket::kHeadroomBytes + slot.size());
    if (got < 0) {
      batch.more = false;
      batch.closed = errno != EAGAIN && errno != EINTR;  // EBADFD: the device was removed
      return;
    }
    if (static_cast<std::size_t>(got) <= RawPacket::kHeadroomBytes) {
      continue;
    }
    RawPacket& packet = batch.packets[batch.count++];
    std::memcpy(&packet.vnet, start, sizeof(packet.vnet));
    packet.bytes = slot.first(static_cast<std::size_t>(got) - RawPacket::kHeadroomBytes);
    bytes += packet.bytes.size();
  }
  batch.more = true;
}

}  // namespace gateway
