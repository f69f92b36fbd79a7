#include "gateway/opening/arrivals.h"

#include <cstring>

#include "base/check.h"
#include "gateway/onramp/tunnel.h"

namespace gateway {

Arrivals::Arrivals() : slots_(std::make_unique_for_overwrite<Slot[]>(kMostPackets)) {}

bool Arrivals::add(Tunnel& tunnel, const RawPacket& packet) {
  Line& line = tunnel.arrivals;
  if (packet.bytes.size() > kMostBytes || line.size_ >= room_) {
    return false;
  }
  std::uint32_t index = free_;
  if (index == kNone) {
    index = never_used_++;
  } else {
    free_ = slots_[index].next;
  }
  --room_;

  Slot& slot = slots_[index];
  slot.next = kNone;
  slot.length = static_cast<std::uint16_t>(packet.bytes.size());
  slot.outer_port = base::number(tunnel.outer_port);
  std::memcpy(slot.vnet.data(), &packet.vnet, sizeof(packet.vnet));
  std::memcpy(slot.bytes.data(), packet.bytes.data(), packet.bytes.size());

  (line.size_ == 0 ? line.first_ : slots_[line.last_].next) = index;
  line.last_ = index;
  if (++line.size_ == 1) {
    Lines& lines = tunnel.tenant().arrivals;
    lines.tunnels_.splice(lines.tunnels_.end(), line.node_);
    if (!lines.node_.empty()) {
      tenants_.splice(tenants_.end(), lines.node_);
    }
  }
  return true;
}

Arrivals::Arrival Arrivals::take() {
  CHECK(!empty());
  if (taken_ != kNone) {
    release(taken_);
  }
  Lines& lines = tenants_.front()->arrivals;
  Tunnel& tunnel = *lines.tunnels_.front();
  // To the end of both lines; the last packet takes it out of them.
  lines.tunnels_.splice(lines.tunnels_.end(), lines.tunnels_, lines.tunnels_.begin());
  tenants_.splice(tenants_.end(), tenants_, tenants_.begin());
  taken_ = tunnel.arrivals.first_;
  Slot& slot = slots_[taken_];
  tunnel.arrivals.first_ = slot.next;
  --tunnel.arrivals.size_;
  if (tunnel.arrivals.size_ == 0) {
    leave(tunnel);
  }

  Arrival arrival{tunnel, {}, base::Port{slot.outer_port}};
  std::memcpy(&arrival.packet.vnet, slot.vnet.data(), sizeof(arrival.packet.vnet));
  arrival.packet.bytes = std::span(slot.bytes).first(slot.length);
  return arrival;
}

std::uint32_t Arrivals::forget(Tunnel& tunnel) {
  Line& line = tunnel.arrivals;
  const std::uint32_t forgotten = line.size_;
  if (forgotten == 0) {
    return 0;
  }
  for (std::uint32_t index = line.first_; index != kNone;) {
    const std::uint32_t next = slots_[index].next;
    release(index);
    index = next;
  }
  line.size_ = 0;
  leave(tunnel);
  return forgotten;
}

void Arrivals::release(std::uint32_t slot) {
  slots_[slot].next = free_;
  free_ = slot;
  ++room_;
}

void Arrivals::leave(Tunnel& tunnel) {
  Line& line = tunnel.arrivals;
  line.first_ = line.last_ = kNone;
  Lines& lines = tunnel.tenant().arrivals;
  line.node_.splice(line.node_.begin(), lines.tunnels_, line.place_);
  if (lines.tunnels_.empty()) {
    lines.node_.splice(lines.node_.begin(), tenants_, lines.place_);
  }
}

}  // namespace gateway
