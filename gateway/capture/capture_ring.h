// CaptureRing: packets on their way from a shard to `flowctl capture`, in memory that both map.
//
// Theory of operation
//
//     RingHeader | bytes[capacity]        one writer (the shard's thread), one reader (flowctl)
//
//     tail            head
//      v               v
//     [ record | record |        free         ]     a record: CaptureRecord, packet, padding to 8
//
// head and tail only grow; their place is their remainder. The writer copies a packet behind head,
// where the reader does not look yet, and moves head when it is known what became of the packet
// (commit); a packet that did not go out is taken back by not moving it. Where there is no room the
// packet is counted as dropped: the writer never waits.
//
// Neither side believes the other. The writer keeps its own head, and a tail that cannot be leaves
// no room. The reader checks every length against what lies between tail and head. Pure; fuzzed by
// tests/fuzz/fuzz_capture_ring.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "flows/vnet_header.h"

namespace gateway {

/// What is known of a captured packet.
struct CaptureRecord {
  std::uint32_t record_bytes = 0;  // the ring's own: with the packet and the padding
  std::uint32_t packet_bytes = 0;  // the ring's own: of the packet, as many as were kept
  std::uint32_t original_bytes = 0;
  std::uint32_t wire_packets = 0;  // that the wire carried of it: more than one of a super-segment
  std::uint64_t flow = 0;
  std::int64_t time_ns = 0;  // since 1970
  std::uint32_t tenant = 0;
  std::uint32_t tunnel = 0;
  std::uint8_t is_up = 0;       // from the flow's initiator; else to it
  std::uint8_t is_inbound = 0;  // from a tunnel to the gateway; else to a tunnel
  flows::VnetHeader vnet{};     // a partial checksum and a super-segment are left to the reader
  std::uint32_t unused = 0;
};
static_assert(std::is_trivially_copyable_v<CaptureRecord> && sizeof(CaptureRecord) % 8 == 0);

struct CaptureRingHeader {
  alignas(64) std::uint64_t head;  // the writer's
  std::uint64_t dropped;           // packets of the wire that found no room
  alignas(64) std::uint64_t tail;  // the reader's
};

inline constexpr std::uint64_t kCaptureRingBytes = std::uint64_t{16} << 20U;  // chosen: 10 ms at
                                                                              // 12 Gbit/s

class CaptureRingWriter {
 public:
  /// `memory` is zeroed, aligned to 64 bytes, and longer than its header by a multiple of 8.
  explicit CaptureRingWriter(std::span<std::byte> memory);

  /// Copies the packet in, for commit() to decide about. False: there is no room.
  bool hold(const CaptureRecord& record, std::span<const std::byte> packet);
  /// The packet that is held goes to the reader: the wire carried `wire_packets` of it, more than
  /// none. Without commit() the next hold() takes its place.
  void commit(std::uint32_t wire_packets);
  void drop(std::uint64_t wire_packets);

 private:
  void copy_in(std::uint64_t position, std::span<const std::byte> bytes);

  CaptureRingHeader* header_;
  std::span<std::byte> bytes_;
  std::uint64_t head_ = 0;
  CaptureRecord held_{};
};

class CaptureRingReader {
 public:
  explicit CaptureRingReader(std::span<std::byte> memory);

  struct Captured {
    CaptureRecord record;
    std::vector<std::byte> packet;
  };
  enum class Read : std::uint8_t { kPacket, kNothing, kBroken };
  /// The next packet into `captured`. kBroken: the memory is not what a writer leaves.
  Read next(Captured& captured);

  /// How far the writer is; read_up_to() is how far we are.
  [[nodiscard]] std::uint64_t written() const;
  [[nodiscard]] std::uint64_t read_up_to() const { return tail_; }
  [[nodiscard]] std::uint64_t dropped() const;

 private:
  void copy_out(std::uint64_t position, std::span<std::byte> bytes) const;

  CaptureRingHeader* header_;
  std::span<std::byte> bytes_;
  std::uint64_t tail_ = 0;
};

}  // namespace gateway
