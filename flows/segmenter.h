// Segmenter: cuts a super-segment into the packets it stands for, with complete checksums (GSO),
// for a tunnel that takes no offload.
//
// Every segment is a copy of the packet's headers with its own lengths, IPv4 id (counted up from
// the packet's), TCP sequence number and checksums. FIN and PSH stay on the last segment, CWR on
// the first (RFC 3168 6.1.2). A UDP super-datagram (GSO_UDP_L4) becomes datagrams with their own
// length and checksum. tests/flows/segmenter_test.cc states the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "flows/flow.h"
#include "flows/packet.h"
#include "flows/vnet_header.h"

namespace flows {

/// How many packets, and how many bytes with the headers repeated, the wire carries for `packet`.
[[nodiscard]] WireCount wire_count(const Packet& packet, const VnetHeader& vnet);

/// Bytes of the longest of those packets: what to hold against an MTU.
[[nodiscard]] std::size_t longest_segment_bytes(const Packet& packet, const VnetHeader& vnet);

/// Turns the partial checksum of a packet that is no super-segment into a complete one, in place.
/// Does nothing when it has none.
void complete_checksum(std::span<std::byte> bytes, const Packet& packet, const VnetHeader& vnet);

/// An iterator: each next() writes one finished packet. A packet that is no super-segment comes out
/// as it is, its checksum completed.
class Segmenter {
 public:
  /// `bytes` outlive the segmenter; `packet` is their parse, from before or after nat::rewrite.
  Segmenter(std::span<const std::byte> bytes, const Packet& packet, const VnetHeader& vnet);

  /// Writes the next packet to the front of `out`, which holds at least longest_segment_bytes(),
  /// and returns its length; nothing after the last.
  std::optional<std::size_t> next(std::span<std::byte> out);

  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  void finish_headers(std::span<std::byte> segment) const;
  void finish_tcp(std::span<std::byte> segment) const;

  std::span<const std::byte> bytes_;
  Packet packet_;
  VnetHeader vnet_;
  std::uint32_t addresses_sum_;  // and the protocol's: the pseudo-header but for the length
  std::size_t count_;
  std::size_t index_ = 0;  // of the next segment
};

}  // namespace flows
