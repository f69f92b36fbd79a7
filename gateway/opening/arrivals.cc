#include "gateway/opening/arrivals.h"

#include <cstring>

#include "base/check.h"
#include "gateway/onramp/tunnel.h"

namespace gateway {

Arrivals::Arrivals() : slots_(std::make_unique_for_overwrite<Slot[]>(kMostPackets)) {}

bool Arrivals::add(Tunnel& tunnel, const RawPacket& packet) {
  Line& line = tunnel.arrivals;
  Lines& lines = tunnel.tenant().arrivals;
  if (packet.bytes.size() > kMostBytes || !has_room(line, lines)) {
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
  ++lines.size_;
  if (++line.size_ == 1) {
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
  --lines.size_;
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
  tunnel.tenant().arrivals.size_ -= forgotten;
  leave(tunnel);
  return forgotten;
}

bool Arrivals::has_room(const Line& line, const Lines& lines) const {
  if (lines.size_ == 0) {
    return room_ > 0;
  }
  const std::uint32_t shared = room_ > kKept ? room_ - kKept : 0;
  if (line.size_ == 0) {
    return lines.size_ < shared;
  }
  return line.size_ + lines.size_ + kKept < shared;
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
