#include "gateway/upgrade/held_syn.h"

#include <algorithm>

#include "base/check.h"
#include "flows/offload_headers.h"
#include "nat/payload_change.h"

namespace gateway {

HeldSyn::HeldSyn(const RawPacket& syn, const flows::Packet& parsed)
    : bytes_(RawPacket::kHeadroomBytes + parsed.payload_offset), parsed_(parsed) {
  std::ranges::copy(syn.bytes.first(parsed.payload_offset),
                    bytes_.begin() + RawPacket::kHeadroomBytes);
}

std::span<const std::byte> HeldSyn::headers() const {
  return std::span(bytes_).subspan(RawPacket::kHeadroomBytes);
}

// Its checksum was right or vouched for, or else parse() would have dropped it: a new one hides no
// damage. With a complete one, offload has nothing left to do.
RawPacket HeldSyn::take_without_payload() {
  CHECK(!is_taken_);
  is_taken_ = true;
  const RawPacket syn{{}, std::span(bytes_).subspan(RawPacket::kHeadroomBytes)};
  flows::write_ip_length(syn.bytes, syn.bytes.size());
  nat::renew_checksum(syn.bytes, parsed_, syn.vnet);
  return syn;
}

}  // namespace gateway
