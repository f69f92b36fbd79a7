#include "gateway/capture/capture_ring.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/check.h"

namespace gateway {
namespace {

constexpr std::uint64_t kAlignment = 8;

std::uint64_t padded(std::uint64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

CaptureRingHeader* header_of(std::span<std::byte> memory) {
  CHECK(memory.size() > sizeof(CaptureRingHeader) &&
        reinterpret_cast<std::uintptr_t>(memory.data()) % alignof(CaptureRingHeader) == 0 &&
        (memory.size() - sizeof(CaptureRingHeader)) % kAlignment == 0);
  return reinterpret_cast<CaptureRingHeader*>(memory.data());
}

std::uint64_t load(std::uint64_t& word) {
  return std::atomic_ref(word).load(std::memory_order_acquire);
}
void store(std::uint64_t& word, std::uint64_t value) {
  std::atomic_ref(word).store(value, std::memory_order_release);
}

}  // namespace

CaptureRingWriter::CaptureRingWriter(std::span<std::byte> memory)
    : header_(header_of(memory)), bytes_(memory.subspan(sizeof(CaptureRingHeader))) {}

bool CaptureRingWriter::hold(const CaptureRecord& record, std::span<const std::byte> packet) {
  const std::uint64_t used = head_ - load(header_->tail);  // more than there is: no such tail
  const std::uint64_t wanted = padded(sizeof(CaptureRecord) + packet.size());
  if (used > bytes_.size() || wanted > bytes_.size() - used) {
    return false;
  }
  held_ = record;
  held_.record_bytes = static_cast<std::uint32_t>(wanted);
  held_.packet_bytes = static_cast<std::uint32_t>(packet.size());
  copy_in(head_ + sizeof(CaptureRecord), packet);
  return true;
}

void CaptureRingWriter::commit(std::uint32_t wire_packets) {
  held_.wire_packets = wire_packets;
  copy_in(head_, std::as_bytes(std::span(&held_, 1)));
  head_ += held_.record_bytes;
  store(header_->head, head_);
}

void CaptureRingWriter::drop(std::uint64_t wire_packets) {
  std::atomic_ref(header_->dropped).fetch_add(wire_packets, std::memory_order_relaxed);
}

void CaptureRingWriter::copy_in(std::uint64_t position, std::span<const std::byte> bytes) {
  const auto from = static_cast<std::size_t>(position % bytes_.size());
  const std::size_t first = std::min(bytes.size(), bytes_.size() - from);
  std::ranges::copy(bytes.first(first), bytes_.begin() + static_cast<std::ptrdiff_t>(from));
  std::ranges::copy(bytes.subspan(first), bytes_.begin());
}

CaptureRingReader::CaptureRingReader(std::span<std::byte> memory)
    : header_(header_of(memory)), bytes_(memory.subspan(sizeof(CaptureRingHeader))) {
  tail_ = load(header_->tail);
}

CaptureRingReader::Read CaptureRingReader::next(Captured& captured) {
  const std::uint64_t there = written() - tail_;
  if (there == 0) {
    return Read::kNothing;
  }
  CaptureRecord& record = captured.record;
  if (there < sizeof(record) || there > bytes_.size()) {
    return Read::kBroken;
  }
  copy_out(tail_, std::as_writable_bytes(std::span(&record, 1)));
  if (record.record_bytes < sizeof(record) || record.record_bytes > there ||
      record.record_bytes % kAlignment != 0 ||
      record.packet_bytes > record.record_bytes - sizeof(record)) {
    return Read::kBroken;
  }
  captured.packet.resize(record.packet_bytes);
  copy_out(tail_ + sizeof(record), captured.packet);
  tail_ += record.record_bytes;
  store(header_->tail, tail_);
  return Read::kPacket;
}

std::uint64_t CaptureRingReader::written() const {
  return load(header_->head);
}

std::uint64_t CaptureRingReader::dropped() const {
  return load(header_->dropped);
}

void CaptureRingReader::copy_out(std::uint64_t position, std::span<std::byte> bytes) const {
  const auto from = static_cast<std::size_t>(position % bytes_.size());
  const std::size_t first = std::min(bytes.size(), bytes_.size() - from);
  std::ranges::copy(bytes_.subspan(from, first), bytes.begin());
  std::ranges::copy(bytes_.first(bytes.size() - first),
                    bytes.begin() + static_cast<std::ptrdiff_t>(first));
}

}  // namespace gateway
