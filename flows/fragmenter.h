// Fragmenter: cuts a packet of our own making into the fragments that fit an MTU (RFC 791 3.2, RFC
// 8200 4.5), for datagrams that are longer than the tunnel they go to.
//
// Every fragment is a copy of the IP header with its own length and offset; over IPv6 a fragment
// header follows it. All but the last carry a multiple of eight bytes. What is cut has its
// checksum already. tests/flows/fragmenter_test.cc states the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace flows {

/// An iterator: each next() writes one finished fragment.
class Fragmenter {
 public:
  /// `packet` outlives the fragmenter. Its IP header has neither options nor extensions, and it is
  /// longer than `mtu_bytes`, which leaves room for the headers and eight bytes. `id` is what tells
  /// the receiver which fragments belong together; IPv4 takes its low 16 bits.
  Fragmenter(std::span<const std::byte> packet, std::size_t mtu_bytes, std::uint32_t id);

  /// Writes the next fragment to the front of `out`, which holds at least the MTU, and returns its
  /// length; nothing after the last.
  std::optional<std::size_t> next(std::span<std::byte> out);

 private:
  std::span<const std::byte> header_;
  std::span<const std::byte> rest_;  // of the payload, not written yet
  std::size_t most_bytes_;           // of payload in one fragment
  std::size_t offset_ = 0;           // of rest_ in the payload
  std::uint32_t id_;
};

}  // namespace flows
