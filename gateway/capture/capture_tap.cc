#include "gateway/capture/capture_tap.h"

#include <algorithm>
#include <chrono>

namespace gateway {

void CaptureTap::add(CaptureJob job) {
  running_.push_back(std::make_unique<Running>(std::move(job)));
  is_on_ = true;
}

void CaptureTap::remove(std::uint64_t id) {
  std::erase_if(running_, [&](const auto& running) { return running->job.id == id; });
  is_on_ = looks_always_ || !running_.empty();
}

void CaptureTap::hold(const Sighting& seen) {
  const CaptureRecord record{.original_bytes = static_cast<std::uint32_t>(seen.packet.size()),
                             .flow = seen.flow.id,
                             .time_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                                            std::chrono::system_clock::now().time_since_epoch())
                                            .count(),
                             .tenant = seen.flow.key.tenant,
                             .tunnel = seen.tunnel,
                             .is_up = seen.is_up ? std::uint8_t{1} : std::uint8_t{0},
                             .is_inbound = seen.is_inbound ? std::uint8_t{1} : std::uint8_t{0},
                             .vnet = seen.vnet};
  for (const auto& running : running_) {
    if (!running->job.filter.matches(seen.flow, seen.names)) {
      running->hand = Running::Hand::kEmpty;
      continue;
    }
    const std::size_t kept = seen.vnet.is_gso()
                                 ? seen.packet.size()
                                 : std::min(seen.packet.size(), running->job.snap_bytes);
    const bool holds = running->ring.hold(record, seen.packet.first(kept));
    running->hand = holds ? Running::Hand::kHolds : Running::Hand::kHadNoRoom;
  }
}

void CaptureTap::commit(std::uint64_t wire_packets) {
  for (const auto& running : running_) {
    if (running->hand == Running::Hand::kHolds && wire_packets > 0) {
      running->ring.commit(static_cast<std::uint32_t>(wire_packets));
    } else if (running->hand == Running::Hand::kHadNoRoom) {
      running->ring.drop(wire_packets);
    }
    running->hand = Running::Hand::kEmpty;
  }
}

}  // namespace gateway
