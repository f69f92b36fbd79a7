// clamp_mss() of nat/rewrite.h.

#include "base/byte_order.h"
#include "flows/internet_checksum.h"
#include "nat/rewrite.h"

namespace nat {

using base::load_be;
using base::store_be;
using flows::ChecksumChange;
using flows::Packet;
using flows::VnetHeader;

namespace {

using Bytes = std::span<std::byte>;

constexpr std::size_t kTcpHeaderBytes = 20;
constexpr std::size_t kTcpChecksumOffset = 16;
// TCP option kinds (RFC 9293 3.1). All but the first two have their length behind the kind.
constexpr std::uint8_t kEnd = 0, kNoOperation = 1, kMaximumSegmentSize = 2;
constexpr std::size_t kMssOptionBytes = 4;

// Lowers the 16 bits at `offset` of the TCP header, which options may put at an odd place.
void lower(Bytes header, std::size_t offset, std::uint16_t mss_bytes, ChecksumChange& change) {
  const auto before = load_be<std::uint16_t>(header, offset);
  if (before <= mss_bytes) {
    return;
  }
  store_be(header, offset, mss_bytes);
  if (offset % 2 == 0) {
    change.replace(before, mss_bytes);
  } else {
    change.replace_at_odd_offset(before, mss_bytes);
  }
}

// Lowers every MSS option of `header`, which is a TCP header with its options: which of several
// counts is the receiver's choice. Stops where the options stop making sense.
ChecksumChange lower_all(Bytes header, std::uint16_t mss_bytes) {
  ChecksumChange change;
  std::size_t offset = kTcpHeaderBytes;
  while (offset < header.size()) {
    const auto kind = load_be<std::uint8_t>(header, offset);
    if (kind == kNoOperation) {
      ++offset;
      continue;
    }
    if (kind == kEnd || offset + 2 > header.size()) {
      break;
    }
    const std::size_t length = load_be<std::uint8_t>(header, offset + 1);
    if (length < 2 || length > header.size() - offset) {
      break;
    }
    if (kind == kMaximumSegmentSize && length == kMssOptionBytes) {
      lower(header, offset + 2, mss_bytes, change);
    }
    offset += length;
  }
  return change;
}

}  // namespace

void clamp_mss(Bytes bytes, const Packet& packet, const VnetHeader& vnet, std::uint16_t mss_bytes) {
  if (packet.protocol != flows::Protocol::kTcp || packet.is_fragment || !packet.tcp_flags.syn()) {
    return;
  }
  const Bytes header =
      bytes.subspan(packet.transport_offset, packet.payload_offset - packet.transport_offset);
  const ChecksumChange change = lower_all(header, mss_bytes);
  if (!vnet.has_partial_checksum()) {  // a partial one does not cover the options yet
    const auto before = load_be<std::uint16_t>(header, kTcpChecksumOffset);
    store_be(header, kTcpChecksumOffset, change.applied_to(before));
  }
}

}  // namespace nat
