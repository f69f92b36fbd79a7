#include "tools/flowctl/capture_file.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "flows/packet.h"
#include "flows/segmenter.h"
#include "gateway/capture/pcapng.h"
#include "gateway/inspect/version.h"

namespace flowctl {
namespace {

namespace pcapng = gateway::pcapng;
using gateway::CaptureRecord;

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

CaptureFile::CaptureFile(Output& output, Limits limits, NamesOf names_of)
    : output_(output), limits_(limits), names_of_(std::move(names_of)), started_ns_(now_ns()) {
  pcapng::append_section(output_.text(), "flowctl " + std::string(gateway::version()));
  pcapng::append_interface(output_.text(),
                           {.name = "liftgate",
                            .description = "packets of flows, as their tunnels carry them",
                            .snap_bytes = limits_.snap_bytes});
}

void CaptureFile::add(const gateway::CaptureRingReader::Captured& captured) {
  const CaptureRecord& record = captured.record;
  const Names names = names_of_(record);
  comment_ = "flow=" + std::to_string(record.flow) + " tenant=" + base::printable(names.tenant) +
             " tunnel=" + base::printable(names.tunnel) +
             " direction=" + (record.is_up != 0 ? "up" : "down");
  const bool is_whole = captured.packet.size() == record.original_bytes;
  const auto parsed =
      is_whole ? flows::parse(captured.packet, record.vnet.verified())
               : base::Result<flows::Packet, flows::Drop>(base::Unexpected{flows::Drop::kEmpty});
  if (!parsed) {
    add_packet(record, captured.packet, record.original_bytes);
    return;
  }
  flows::Segmenter segmenter(captured.packet, *parsed, record.vnet);
  std::vector<std::byte> segment(flows::longest_segment_bytes(*parsed, record.vnet));
  // What stands behind the part that the wire carried was dropped by the gateway, not by us.
  const std::size_t most = record.vnet.is_gso() ? record.wire_packets : 1;
  for (std::size_t i = 0; i < most && !is_full(); ++i) {
    const auto length = segmenter.next(segment);
    if (!length) {
      return;
    }
    add_packet(record, std::span(segment).first(*length), *length);
  }
}

void CaptureFile::add_packet(const CaptureRecord& record, std::span<const std::byte> packet,
                             std::size_t original_bytes) {
  if (is_full()) {
    return;
  }
  const std::size_t kept = limits_.snap_bytes == 0
                               ? packet.size()
                               : std::min<std::size_t>(packet.size(), limits_.snap_bytes);
  pcapng::append_packet(output_.text(),
                        {.interface = 0,
                         .time_ns = record.time_ns,
                         .bytes = packet.first(kept),
                         .original_bytes = static_cast<std::uint32_t>(original_bytes),
                         .direction = record.is_inbound != 0 ? pcapng::Direction::kInbound
                                                             : pcapng::Direction::kOutbound,
                         .comment = comment_});
  ++written_;
  output_.row_done();
}

void CaptureFile::finish(std::uint64_t dropped) {
  const std::int64_t end = now_ns();
  pcapng::append_statistics(output_.text(), {.interface = 0,
                                             .time_ns = end,
                                             .start_ns = started_ns_,
                                             .end_ns = end,
                                             .received = written_ + dropped,
                                             .dropped = dropped,
                                             .delivered = written_});
  output_.flush();
}

}  // namespace flowctl
