// Fragmenter: cuts a packet into the fragments that fit an MTU (RFC 791 3.2, RFC 8200 4.5): one of
// our own making, or an IPv4 packet in transit that may be cut.
//
// Every fragment is a copy of the IP header with its own length and offset; over IPv6 a fragment
// header follows it. All but the last carry a multiple of eight bytes. IPv4 options go with every
// fragment that they are for (RFC 791 3.1) and are no-operations in the others, which keeps the
// header's length. A packet that is a fragment itself becomes smaller ones of the same packet. What
// is cut has its checksum already. tests/flows/fragmenter_test.cc states the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace flows {

/// An iterator: each next() writes one finished fragment.
class Fragmenter {
 public:
  /// `packet` outlives the fragmenter. An IPv6 packet has no extensions. It is longer than
  /// `mtu_bytes`, which leaves room for the headers and eight bytes. `id` is what tells the
  /// receiver which fragments belong together; IPv4 takes its low 16 bits.
  Fragmenter(std::span<const std::byte> packet, std::size_t mtu_bytes, std::uint32_t id);

  /// The same for an IPv4 packet that is not ours: it keeps its id.
  Fragmenter(std::span<const std::byte> packet, std::size_t mtu_bytes);

  /// Writes the next fragment to the front of `out`, which holds at least the MTU, and returns its
  /// length; nothing after the last.
  std::optional<std::size_t> next(std::span<std::byte> out);

 private:
  std::span<const std::byte> header_;
  std::span<const std::byte> rest_;  // of the payload, not written yet
  std::size_t most_bytes_;           // of payload in one fragment
  std::size_t offset_ = 0;           // of rest_ in the payload
  bool goes_on_ = false;             // the packet is not the last fragment itself
  bool is_first_ = true;
  std::uint32_t id_;
};

}  // namespace flows
