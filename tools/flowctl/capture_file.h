// CaptureFile: what the rings of a capture hold, written as pcapng.
//
// The gateway leaves to us what would cost the traffic time: a super-segment is cut here into the
// packets that the wire carried, and a partial checksum completed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "gateway/capture/capture_ring.h"
#include "tools/flowctl/output.h"

namespace flowctl {

class CaptureFile {
 public:
  struct Limits {
    std::uint32_t snap_bytes = 0;          // of each packet; 0: all
    std::optional<std::uint64_t> count{};  // packets
  };
  /// The names of a packet's tenant and tunnel, for its comment.
  struct Names {
    std::string tenant;
    std::string tunnel;
  };
  using NamesOf = std::function<Names(const gateway::CaptureRecord& record)>;

  /// Writes the head of the file. `output` outlives this; the caller flushes it.
  CaptureFile(Output& output, Limits limits, NamesOf names_of);

  /// Does nothing once it is full.
  void add(const gateway::CaptureRingReader::Captured& captured);
  /// The end: how many packets were dropped for want of room.
  void finish(std::uint64_t dropped);

  [[nodiscard]] bool is_full() const { return limits_.count && written_ >= *limits_.count; }
  [[nodiscard]] std::uint64_t written() const { return written_; }

 private:
  void add_packet(const gateway::CaptureRecord& record, std::span<const std::byte> packet,
                  std::size_t original_bytes);

  Output& output_;
  Limits limits_;
  NamesOf names_of_;
  std::int64_t started_ns_;
  std::uint64_t written_ = 0;
  std::string comment_;  // of the packets at hand
};

}  // namespace flowctl
