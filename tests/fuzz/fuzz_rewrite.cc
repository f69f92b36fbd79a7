// Any packet that parses: with other bytes in its payload and its checksum renewed, it parses, and
// its checksum is right. And with new ends it parses to exactly those and its checksum is right,
// all other bytes are as before, and the old ends give the old bytes back. The same for its MSS,
// and for its code point.
//
// The input: two times 16 bytes of address and 2 of port, 2 bytes of MSS and code point, then a
// PacketInput.

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>

#include "base/byte_order.h"
#include "base/check.h"
#include "flows/packet.h"
#include "flows/reply.h"
#include "nat/ds_field.h"
#include "nat/payload_change.h"
#include "nat/rewrite.h"
#include "tests/fuzz/packet_input.h"

namespace {

using base::Endpoint;
using base::IpAddress;
using base::load_be;
using base::Port;
using flows::Packet;
using flows::Protocol;
using flows::VnetHeader;
using fuzz::Bytes;
using nat::NewEnds;

constexpr std::size_t kEndBytes = 18;
constexpr std::size_t kPacketOffset = 2 * kEndBytes + 2;

IpAddress address_of(std::span<const std::byte, 16> bytes, bool v4) {
  if (v4) {
    return IpAddress::from_v4_bytes(bytes.subspan<12>());
  }
  const IpAddress address = IpAddress::from_v6_bytes(bytes);
  return address.is_v4() ? test_support::address("fd00::1") : address;  // mapped: no v6 address
}

Endpoint end_of(std::span<const std::byte, kEndBytes> bytes, bool v4) {
  return {address_of(bytes.first<16>(), v4), Port{load_be<std::uint16_t>(bytes, 16)}};
}

// With the ports that a packet of this kind can have.
NewEnds ends_for(std::span<const std::byte> input, const Packet& packet) {
  NewEnds ends{end_of(input.first<kEndBytes>(), packet.is_v4()),
               end_of(input.subspan<kEndBytes, kEndBytes>(), packet.is_v4())};
  if (packet.is_echo) {
    ends.destination.port = ends.source.port;
  } else if (packet.protocol != Protocol::kTcp && packet.protocol != Protocol::kUdp) {
    ends.source.port = ends.destination.port = Port{0};
  }
  return ends;
}

void blank(Bytes& bytes, std::size_t offset, std::size_t size) {
  const auto from = bytes.begin() + static_cast<std::ptrdiff_t>(offset);
  std::fill_n(from, size, std::byte{0});
}

// `bytes` without their checksums, where -0 and 0 are the same number.
Bytes without_checksums(Bytes bytes, const Packet& packet) {
  if (packet.is_v4()) {
    blank(bytes, 10, 2);
  }
  if (const auto field = test_support::checksum_field(static_cast<unsigned>(packet.protocol))) {
    blank(bytes, packet.transport_offset + *field, 2);
  }
  return bytes;
}

// `bytes` without all that a rewrite may touch.
Bytes without_ends(Bytes bytes, const Packet& packet) {
  bytes = without_checksums(std::move(bytes), packet);
  blank(bytes, packet.is_v4() ? 12 : 8, packet.is_v4() ? 8 : 32);
  if (packet.protocol == Protocol::kTcp || packet.protocol == Protocol::kUdp) {
    blank(bytes, packet.transport_offset, 4);
  } else if (packet.is_echo) {
    blank(bytes, packet.transport_offset + 4U, 2);
  }
  return bytes;
}

unsigned checksum_value(const Bytes& bytes, const Packet& packet) {
  const auto field = test_support::checksum_field(static_cast<unsigned>(packet.protocol));
  return field ? test_support::get16(bytes, packet.transport_offset + *field) % 0xffff : 0;
}

void check_rewrite(const Bytes& before, const VnetHeader& vnet, const Packet& packet,
                   const NewEnds& ends) {
  Bytes after = before;
  nat::rewrite(after, packet, vnet, ends);

  const auto again = flows::parse(after, vnet);
  CHECK(again.has_value());
  CHECK(again->source == ends.source && again->destination == ends.destination);
  CHECK(without_ends(after, packet) == without_ends(before, packet));
  if (fuzz::has_full_checksum(packet, vnet)) {
    CHECK(fuzz::checksum_is_right(after, *again) == fuzz::checksum_is_right(before, packet));
  }
  nat::rewrite(after, *again, vnet, {packet.source, packet.destination});
  CHECK(without_checksums(after, packet) == without_checksums(before, packet));
  CHECK(checksum_value(after, packet) == checksum_value(before, packet));
}

void check_clamp(const Bytes& before, const VnetHeader& vnet, const Packet& packet,
                 std::uint16_t mss_bytes) {
  Bytes after = before;
  nat::clamp_mss(after, packet, vnet, mss_bytes);

  const auto again = flows::parse(after, vnet);
  CHECK(again.has_value());
  CHECK(packet.protocol == Protocol::kTcp || after == before);
  if (fuzz::has_full_checksum(packet, vnet)) {
    CHECK(fuzz::checksum_is_right(after, *again) == fuzz::checksum_is_right(before, packet));
  }
  Bytes twice = after;
  nat::clamp_mss(twice, *again, vnet, mss_bytes);
  CHECK(without_checksums(twice, packet) == without_checksums(after, packet));
}

// Whatever else it is: a fragment has no transport header, or half of one.
bool is_same_but_for_ip_checksum(const Bytes& one, const Bytes& other, const Packet& packet) {
  const auto is_checksum = [&](std::size_t i) { return packet.is_v4() && (i == 10 || i == 11); };
  bool same = one.size() == other.size();
  for (std::size_t i = 0; same && i < one.size(); ++i) {
    same = one[i] == other[i] || is_checksum(i);
  }
  return same;
}

void check_dscp(const Bytes& before, const VnetHeader& vnet, const Packet& packet,
                flows::Dscp dscp) {
  Bytes after = before;
  nat::set_dscp(after, dscp);
  const auto again = flows::parse(after, vnet);
  CHECK(again.has_value());
  CHECK(again->traffic_class == (flows::ds_field(dscp) | (packet.traffic_class & 3U)));
  nat::set_dscp(after, flows::Dscp(packet.traffic_class >> 2U));
  CHECK(is_same_but_for_ip_checksum(after, before, packet));
}

void check_renewal(const Bytes& before, const VnetHeader& vnet, const Packet& packet) {
  Bytes after = before;
  for (std::size_t i = packet.payload_offset; i < after.size(); i += 3) {
    after[i] ^= std::byte{0x5a};
  }
  nat::renew_checksum(after, packet, vnet);

  const auto again = flows::parse(after, vnet);
  CHECK(again.has_value());
  const bool has_none = packet.protocol == Protocol::kUdp && packet.is_v4() &&
                        load_be<std::uint16_t>(before, packet.transport_offset + 6U) == 0;
  if (fuzz::has_full_checksum(packet, vnet) && !has_none) {
    CHECK(fuzz::checksum_is_right(after, *again));
  }
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
  if (!packet) {
    return 0;
  }
  const auto number = load_be<std::uint16_t>(all, 2 * kEndBytes);
  check_dscp(bytes, input.vnet, *packet, flows::Dscp(number % (flows::kMostDscp + 1)));
  if (packet->is_fragment) {
    return 0;
  }
  check_rewrite(bytes, input.vnet, *packet, ends_for(all, *packet));
  if (!flows::is_icmp_error(*packet)) {  // whose payload is a packet
    check_renewal(bytes, input.vnet, *packet);
  }
  check_clamp(bytes, input.vnet, *packet, number);
  return 0;
}
