#include "nat/rewrite.h"

#include <algorithm>

#include "base/byte_order.h"
#include "base/check.h"
#include "flows/internet_checksum.h"

namespace nat {

using base::IpAddress;
using base::load_be;
using base::store_be;
using flows::ChecksumChange;
using flows::Packet;
using flows::Protocol;
using flows::VnetHeader;

namespace {

using Bytes = std::span<std::byte>;

constexpr std::size_t kIpv4ChecksumOffset = 10;
constexpr std::size_t kTcpChecksumOffset = 16;
constexpr std::size_t kUdpChecksumOffset = 6;
constexpr std::size_t kIcmpChecksumOffset = 2;
constexpr std::size_t kEchoIdentifierOffset = 4;

// What a rewrite did, apart for the two kinds of checksum: a partial one does not cover the ports.
struct Changes {
  ChecksumChange addresses;
  ChecksumChange ports;
};

void replace_address(Bytes field, const IpAddress& address, ChecksumChange& change) {
  const auto bytes = address.wire_bytes();
  change.replace(field, bytes);
  std::ranges::copy(bytes, field.begin());
}

void replace_port(Bytes bytes, std::size_t offset, base::Port port, ChecksumChange& change) {
  change.replace(load_be<std::uint16_t>(bytes, offset), number(port));
  store_be(bytes, offset, number(port));
}

void replace_addresses(Bytes bytes, bool v4, const NewEnds& ends, ChecksumChange& change) {
  const std::size_t size = v4 ? 4 : 16;
  const std::size_t source_offset = v4 ? 12 : 8;
  replace_address(bytes.subspan(source_offset, size), ends.source.address, change);
  replace_address(bytes.subspan(source_offset + size, size), ends.destination.address, change);
}

void update_ipv4_checksum(Bytes bytes, const ChecksumChange& change) {
  const auto before = load_be<std::uint16_t>(bytes, kIpv4ChecksumOffset);
  store_be(bytes, kIpv4ChecksumOffset, change.applied_to(before));
}

// The transport checksum after the changes to what it covers.
std::uint16_t updated(std::uint16_t checksum, const VnetHeader& vnet, const Changes& changes) {
  if (vnet.has_partial_checksum()) {
    return changes.addresses.applied_to_partial(checksum);
  }
  return changes.ports.applied_to(changes.addresses.applied_to(checksum));
}

void update_tcp(Bytes segment, const VnetHeader& vnet, const Changes& changes) {
  const auto before = load_be<std::uint16_t>(segment, kTcpChecksumOffset);
  store_be(segment, kTcpChecksumOffset, updated(before, vnet, changes));
}

void update_udp(Bytes datagram, const VnetHeader& vnet, const Changes& changes) {
  const auto before = load_be<std::uint16_t>(datagram, kUdpChecksumOffset);
  if (before == 0 && !vnet.has_partial_checksum()) {
    return;  // there is none
  }
  const std::uint16_t after = updated(before, vnet, changes);
  const bool looks_like_none = after == 0 && !vnet.has_partial_checksum();
  store_be<std::uint16_t>(datagram, kUdpChecksumOffset, looks_like_none ? 0xffff : after);
}

void rewrite_ports(Bytes segment, const NewEnds& ends, Changes& changes) {
  replace_port(segment, 0, ends.source.port, changes.ports);
  replace_port(segment, 2, ends.destination.port, changes.ports);
}

void rewrite_icmp(Bytes message, const Packet& packet, const NewEnds& ends, Changes& changes) {
  if (packet.is_echo) {
    replace_port(message, kEchoIdentifierOffset, ends.source.port, changes.ports);
  }
  if (packet.protocol == Protocol::kIcmp) {
    changes.addresses = {};  // ICMP has no pseudo-header, ICMPv6 has
  }
  const auto before = load_be<std::uint16_t>(message, kIcmpChecksumOffset);
  const std::uint16_t after = updated(before, {}, changes);
  // An echo reply may become nothing but zeros. Its sum is +0, which asks for 0xffff, and no update
  // gives that (RFC 1624 section 3). For all others the two are the same number.
  store_be<std::uint16_t>(message, kIcmpChecksumOffset, after == 0 ? 0xffff : after);
}

}  // namespace

void rewrite(Bytes bytes, const Packet& packet, const VnetHeader& vnet, const NewEnds& ends) {
  const bool v4 = packet.is_v4();
  CHECK(bytes.size() == packet.total_bytes && !packet.is_fragment);
  CHECK(ends.source.address.is_v4() == v4 && ends.destination.address.is_v4() == v4);

  Changes changes;
  replace_addresses(bytes, v4, ends, changes.addresses);
  if (v4) {
    update_ipv4_checksum(bytes, changes.addresses);
  }
  const Bytes transport = bytes.subspan(packet.transport_offset);
  if (packet.protocol == Protocol::kTcp) {
    rewrite_ports(transport, ends, changes);
    update_tcp(transport, vnet, changes);
  } else if (packet.protocol == Protocol::kUdp) {
    rewrite_ports(transport, ends, changes);
    update_udp(transport, vnet, changes);
  } else if (packet.protocol == Protocol::kIcmp || packet.protocol == Protocol::kIcmpv6) {
    rewrite_icmp(transport, packet, ends, changes);
  }
}

}  // namespace nat
