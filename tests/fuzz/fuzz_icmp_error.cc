// Any ICMP error that parses and quotes a flow's packet: rewritten it parses, quotes exactly the
// new ends, and all other bytes but checksums are as before; the old ends give the old bytes back.
//
// The input: two times 16 bytes of address and 2 of port, then a PacketInput.

#include <algorithm>
#include <cstdint>
#include <span>

#include "base/byte_order.h"
#include "base/check.h"
#include "flows/packet.h"
#include "flows/reply.h"
#include "nat/icmp_error_rewrite.h"
#include "tests/fuzz/packet_input.h"

namespace {

using base::Endpoint;
using base::IpAddress;
using base::Port;
using flows::Packet;
using flows::Protocol;
using fuzz::Bytes;
using nat::NewEnds;
using nat::Quote;

constexpr std::size_t kEndBytes = 18;
constexpr std::size_t kPacketOffset = 2 * kEndBytes;

Endpoint end_of(std::span<const std::byte> bytes, bool v4) {
  IpAddress address = v4 ? IpAddress::from_v4_bytes(bytes.subspan<12, 4>())
                         : IpAddress::from_v6_bytes(bytes.subspan<0, 16>());
  if (address.is_v4() != v4) {
    address = test_support::address("fd00::1");  // mapped: no v6 address
  }
  return {address, Port{base::load_be<std::uint16_t>(bytes, 16)}};
}

NewEnds ends_for(std::span<const std::byte> input, const Quote& quote, bool v4) {
  NewEnds ends{end_of(input.first<kEndBytes>(), v4),
               end_of(input.subspan<kEndBytes, kEndBytes>(), v4)};
  if (quote.protocol == Protocol::kIcmp || quote.protocol == Protocol::kIcmpv6) {
    ends.destination.port = ends.source.port;
  }
  return ends;
}

void blank(Bytes& bytes, std::size_t offset, std::size_t size) {
  for (std::size_t i = offset; i < std::min(offset + size, bytes.size()); ++i) {
    bytes[i] = std::byte{0};
  }
}

// Where -0 and 0 are the same number.
void blank_checksums(Bytes& bytes, const Packet& packet, const Quote& quote) {
  blank(bytes, packet.transport_offset + 2U, 2);
  if (packet.is_v4()) {
    blank(bytes, 10, 2);
    blank(bytes, quote.ip_offset + 10, 2);
  }
  const auto field = test_support::checksum_field(static_cast<unsigned>(quote.protocol));
  blank(bytes, quote.transport_offset + field.value(), 2);
}

// `bytes` without all that a rewrite may touch.
Bytes untouched(Bytes bytes, const Packet& packet, const Quote& quote) {
  blank_checksums(bytes, packet, quote);
  for (const std::size_t header : {std::size_t{0}, std::size_t{quote.ip_offset}}) {
    blank(bytes, header + (packet.is_v4() ? 12 : 8), packet.is_v4() ? 8 : 32);
  }
  const bool has_ports = quote.protocol == Protocol::kTcp || quote.protocol == Protocol::kUdp;
  blank(bytes, quote.transport_offset + (has_ports ? 0 : 4), has_ports ? 4 : 2);
  return bytes;
}

void check_rewrite(const Bytes& before, const Packet& packet, const Quote& quote,
                   const NewEnds& ends) {
  const NewEnds outer{ends.destination, ends.source};
  Bytes after = before;
  nat::rewrite_icmp_error(after, packet, quote, outer, ends);

  const auto again = flows::parse(after, {});
  CHECK(again.has_value());
  CHECK(again->source.address == outer.source.address);
  CHECK(again->destination.address == outer.destination.address);
  const auto quoted = nat::read_quote(after, *again);
  CHECK(quoted && quoted->source == ends.source && quoted->destination == ends.destination);
  CHECK(untouched(after, packet, quote) == untouched(before, packet, quote));

  nat::rewrite_icmp_error(after, *again, *quoted, {packet.source, packet.destination},
                          {quote.source, quote.destination});
  Bytes back = before;
  blank_checksums(back, packet, quote);
  blank_checksums(after, packet, quote);
  CHECK(back == after);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto all = std::as_bytes(std::span(data, size));
  if (all.size() < kPacketOffset) {
    return 0;
  }
  const auto input = fuzz::packet_input(all.subspan(kPacketOffset));
  const Bytes bytes = fuzz::repaired(input.packet, input.vnet);
  const auto packet = flows::parse(bytes, input.vnet);
  if (!packet || packet->is_fragment || !flows::is_icmp_error(*packet)) {
    return 0;
  }
  if (const auto quote = nat::read_quote(bytes, *packet); quote && quote->has_ports) {
    check_rewrite(bytes, *packet, *quote, ends_for(all, *quote, packet->is_v4()));
  }
  return 0;
}
