// CaptureTap: where a shard's packets are looked at, while somebody captures.
//
// Theory of operation
//
// A packet is captured where its flow counts it, so that a capture and the flow table agree: what
// comes from a tunnel as it came, what goes to one as it went. PacketPath asks is_on() for each
// packet (or super-segment) that a flow counts; while nobody captures that is all there is. What
// the filter lets through is copied into the capture's ring (capture_ring.h) before it goes out,
// because sending may change its checksum, and committed when it is known how much of it the tunnel
// took.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "flows/flow.h"
#include "flows/vnet_header.h"
#include "gateway/capture/capture_memory.h"
#include "gateway/capture/capture_ring.h"
#include "gateway/inspect/flow_filter.h"
#include "gateway/inspect/flow_json.h"

namespace gateway {

/// One capture, as one shard has it.
struct CaptureJob {
  std::uint64_t id = 0;
  FlowFilter filter;
  std::size_t snap_bytes = 0;  // of a packet; a super-segment is kept whole, to be cut later
  std::shared_ptr<CaptureMemory> memory;
  std::size_t ring = 0;  // of the memory: the shard's own
};

/// Belongs to the shard's thread.
class CaptureTap {
 public:
  /// Whether anybody looks at packets: a capture, or somebody else who shares the check for it.
  [[nodiscard]] bool is_on() const { return is_on_; }
  void look_always() { is_on_ = looks_always_ = true; }

  void add(CaptureJob job);
  void remove(std::uint64_t id);

  struct Sighting {
    const flows::Flow& flow;
    FlowNames names;
    flows::VnetHeader vnet;
    std::span<const std::byte> packet;
    std::uint32_t tunnel = 0;  // that it came from or goes to
    bool is_up = false;
    bool is_inbound = false;
  };
  /// Then commit() says how many packets of it the wire carried; 0: it was not sent.
  void hold(const Sighting& seen);
  void commit(std::uint64_t wire_packets);

 private:
  struct Running {
    explicit Running(CaptureJob taken) : job(std::move(taken)), ring(job.memory->ring(job.ring)) {}

    CaptureJob job;
    CaptureRingWriter ring;
    enum class Hand : std::uint8_t { kEmpty, kHolds, kHadNoRoom } hand = Hand::kEmpty;
  };

  bool is_on_ = false;
  bool looks_always_ = false;
  std::vector<std::unique_ptr<Running>> running_;
};

}  // namespace gateway
