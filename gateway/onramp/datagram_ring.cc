#include "gateway/onramp/datagram_ring.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>

#include "base/check.h"

namespace gateway {

DatagramRing::DatagramRing(std::size_t capacity)
    : capacity_(capacity), memory_(std::make_unique_for_overwrite<std::byte[]>(capacity)) {
  static_assert(std::is_trivially_copyable_v<Head> && sizeof(Head) <= kUnit);
  CHECK(std::has_single_bit(capacity) && capacity >= kLeastCapacity);
}

bool DatagramRing::push(const Datagram& datagram) {
  CHECK(datagram.bytes.size() <= kMostBytes);
  const std::uint64_t head = head_.load(std::memory_order_relaxed);
  const std::size_t record = (kUnit + datagram.bytes.size() + kUnit - 1) / kUnit * kUnit;
  const std::size_t piece = left_in_one_piece(head);
  const std::size_t passed = piece < record ? piece : 0;
  const auto has_room = [&] { return head - known_tail_ + passed + record <= capacity_; };
  if (!has_room()) {
    known_tail_ = tail_.load(std::memory_order_acquire);
    if (!has_room()) {
      return false;
    }
  }
  if (passed > 0) {
    const Head end{.record_bytes = static_cast<std::uint32_t>(passed), .bytes = kPassOver};
    std::memcpy(place(head), &end, sizeof(end));
  }
  const Head fresh{.record_bytes = static_cast<std::uint32_t>(record),
                   .bytes = static_cast<std::uint32_t>(datagram.bytes.size()),
                   .from = datagram.from,
                   .to = datagram.to};
  std::byte* start = place(head + passed);
  std::memcpy(start, &fresh, sizeof(fresh));
  std::ranges::copy(datagram.bytes, start + kUnit);
  head_.store(head + passed + record, std::memory_order_release);
  return true;
}

std::optional<DatagramRing::Datagram> DatagramRing::take() {
  const std::uint64_t head = head_.load(std::memory_order_acquire);
  while (taken_ != head) {
    std::byte* start = place(taken_);
    Head record;
    std::memcpy(&record, start, sizeof(record));
    taken_ += record.record_bytes;
    if (record.bytes != kPassOver) {
      return Datagram{.from = record.from, .to = record.to, .bytes = {start + kUnit, record.bytes}};
    }
  }
  return std::nullopt;
}

void DatagramRing::release() {
  tail_.store(taken_, std::memory_order_release);
}

}  // namespace gateway
