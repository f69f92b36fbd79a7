// PacketInput: how the fuzz targets of packets read their bytes.
//
// The first ten bytes are the offload header, in the host's order; the rest is the packet. Random
// bytes hardly ever have a right checksum, so repaired() sets them: otherwise the fuzzer would
// never get past the check of the IPv4 header.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "flows/packet.h"
#include "flows/vnet_header.h"
#include "tests/support/packet_builder.h"

namespace fuzz {

using Bytes = std::vector<std::byte>;

struct PacketInput {
  flows::VnetHeader vnet;
  Bytes packet;
};

/// Missing bytes are zeros.
inline PacketInput packet_input(std::span<const std::byte> input) {
  PacketInput read;
  const auto header = input.first(std::min(input.size(), sizeof(read.vnet)));
  if (!header.empty()) {
    std::memcpy(&read.vnet, header.data(), header.size());
  }
  const auto packet = input.subspan(header.size());
  read.packet.assign(packet.begin(), packet.end());
  return read;
}

inline bool has_ipv4_header(std::span<const std::byte> packet) {
  if (packet.size() < 20 || test_support::get8(packet, 0) >> 4U != 4) {
    return false;
  }
  const std::size_t header_bytes = (test_support::get8(packet, 0) & 0xfU) * std::size_t{4};
  return header_bytes >= 20 && header_bytes <= packet.size();
}

/// Whether a packet with these facts has a whole checksum in its transport header.
inline bool has_full_checksum(const flows::Packet& packet, const flows::VnetHeader& vnet) {
  return !packet.is_fragment && !vnet.has_partial_checksum() &&
         test_support::checksum_field(static_cast<unsigned>(packet.protocol)).has_value();
}

/// The packet with the checksums that its headers ask for; UDP's 0 over IPv4 stays.
inline Bytes repaired(Bytes packet, const flows::VnetHeader& vnet) {
  if (has_ipv4_header(packet)) {
    test_support::fix_ip_checksum(packet);
  }
  flows::VnetHeader vouched = vnet;
  vouched.flags |= flows::VnetHeader::kDataValid;
  const auto facts = flows::parse(packet, vouched);
  if (!facts || !has_full_checksum(*facts, vnet)) {
    return packet;
  }
  const std::size_t offset = facts->transport_offset;
  const bool has_none =
      facts->protocol == flows::Protocol::kUdp && test_support::get16(packet, offset + 6) == 0;
  if (!has_none) {
    test_support::fix_checksums(packet, offset, static_cast<unsigned>(facts->protocol));
  }
  return packet;
}

/// Whether the transport checksum is right, by the naive sum. 0 and 0xffff are the same number.
inline bool checksum_is_right(std::span<const std::byte> packet, const flows::Packet& facts) {
  const auto protocol = static_cast<unsigned>(facts.protocol);
  const std::size_t offset = facts.transport_offset;
  const std::size_t field = offset + test_support::checksum_field(protocol).value();
  const unsigned found = test_support::get16(packet, field);
  const bool has_none = facts.protocol == flows::Protocol::kUdp && facts.is_v4() && found == 0;
  return has_none || found % 0xffff ==
                         test_support::naive_transport_checksum(packet, offset, protocol) % 0xffff;
}

}  // namespace fuzz
