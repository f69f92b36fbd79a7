// GUE: Generic UDP Encapsulation, an IP packet in a UDP datagram (draft-ietf-intarea-gue-09).
//
// Theory of operation
//
// The first two bits of the datagram say which variant it is:
//
//     0  a header:  VVCHHHHH protocol flags flags, then 4 * H bytes, then the packet
//     1  none:      the bits are those of the packet's own version, 4 or 6
//
// We take data messages (C is 0) of an IP packet without flags. The draft assigns no flag, and one
// that we do not know would hide where the extension fields begin, so any is refused. The 4 * H
// bytes may hold private data of ours, which names a tenant: 4C 47 01 00 ("LG", version 1, 0) and
// the tenant's id, 32 bits big-endian; anything else there is surplus space and ignored, as Linux
// does. Every message can be understood alone.
//
// tests/flows/gue_test.cc states the same, byte for byte; fuzzed by tests/fuzz/fuzz_gue.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/result.h"
#include "flows/drop.h"

namespace flows {

/// How a peer writes, and so how it is answered.
struct GueForm {
  bool bare = false;                    // variant 1
  std::optional<std::uint32_t> tenant;  // the id that its private data names; never when bare

  friend bool operator==(const GueForm&, const GueForm&) = default;
};

struct GueMessage {
  GueForm form;
  std::size_t header_bytes = 0;  // the packet is what follows; at least one byte does
};

/// `datagram` is the payload of one UDP datagram. The packet has been looked at as far as its
/// version goes.
base::Result<GueMessage, Drop> decode_gue(std::span<const std::byte> datagram);

inline constexpr std::size_t kMaxGueHeaderBytes = 12;  // of those that we write

/// 0, 4 or 12.
[[nodiscard]] std::size_t gue_header_bytes(const GueForm& form);

/// Writes the header that goes in front of an IPv4 or IPv6 packet. `out` has gue_header_bytes().
void encode_gue(const GueForm& form, bool is_v4, std::span<std::byte> out);

}  // namespace flows
