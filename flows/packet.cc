#include "flows/packet.h"

#include <optional>

#include "base/byte_order.h"
#include "base/check.h"
#include "base/ip_address.h"
#include "flows/first_fragment.h"
#include "flows/icmp_type.h"
#include "flows/internet_checksum.h"

namespace flows {

using base::IpAddress;
using base::load_be;
using base::Port;
using base::Result;
using base::Unexpected;

namespace {

using Bytes = std::span<const std::byte>;
using Failure = std::optional<Drop>;  // empty: all is well so far

constexpr std::size_t kIpv4HeaderBytes = 20;
constexpr std::size_t kIpv6HeaderBytes = 40;
constexpr std::size_t kTcpHeaderBytes = 20;
constexpr std::size_t kUdpHeaderBytes = 8;
constexpr std::size_t kIcmpHeaderBytes = 8;  // type, code, checksum and the four bytes behind
constexpr std::uint16_t kTcpChecksumOffset = 16;
constexpr std::uint16_t kUdpChecksumOffset = 6;

std::uint8_t byte_at(Bytes bytes, std::size_t offset) {
  return load_be<std::uint8_t>(bytes, offset);
}

// ---- IPv4 ----

Failure read_ipv4(Bytes bytes, Packet& packet) {
  if (bytes.size() < kIpv4HeaderBytes) {
    return Drop::kTruncated;
  }
  const std::size_t header_bytes = (byte_at(bytes, 0) & 0x0fU) * std::size_t{4};
  if (header_bytes < kIpv4HeaderBytes) {
    return Drop::kBadHeaderLength;
  }
  const std::size_t total_bytes = load_be<std::uint16_t>(bytes, 2);
  if (total_bytes > bytes.size() || header_bytes > bytes.size()) {
    return Drop::kTruncated;
  }
  if (total_bytes < bytes.size()) {
    return Drop::kBadTotalLength;
  }
  if (fold(sum_of(bytes.first(header_bytes))) != 0xffff) {
    return Drop::kBadIpChecksum;
  }
  const auto fragment = load_be<std::uint16_t>(bytes, 6);
  packet.traffic_class = byte_at(bytes, 1);
  packet.dont_fragment = (fragment & 0x4000U) != 0;
  packet.more_fragments = (fragment & 0x2000U) != 0;
  packet.fragment_offset = static_cast<std::uint16_t>((fragment & 0x1fffU) * 8U);
  packet.is_fragment = packet.more_fragments || packet.fragment_offset != 0;
  packet.fragment_id = packet.is_fragment ? load_be<std::uint16_t>(bytes, 4) : 0;
  packet.ttl = byte_at(bytes, 8);
  packet.protocol_offset = 9;
  packet.protocol = Protocol{byte_at(bytes, 9)};
  packet.source.address = IpAddress::from_v4_bytes(bytes.subspan<12, 4>());
  packet.destination.address = IpAddress::from_v4_bytes(bytes.subspan<16, 4>());
  packet.transport_offset = static_cast<std::uint16_t>(header_bytes);
  return std::nullopt;
}

// ---- IPv6 ----

// Extension headers (IANA "IPv6 Extension Header Types"). Hop-by-hop options may stand only right
// behind the IPv6 header; elsewhere the value is like that of an unknown protocol (RFC 8200 4).
constexpr std::uint8_t kHopByHop = 0, kRouting = 43, kFragmentHeader = 44, kAuthentication = 51,
                       kDestinationOptions = 60;
constexpr std::uint16_t kNextHeaderOffset = 6;

// The longest chain ends where 16 bits can still say: eight headers of 256 * 8 bytes.
static_assert(kIpv6HeaderBytes + kMaxExtensions * 256 * 8 <= 0xffff);

bool is_extension(std::uint8_t header, std::uint16_t named_at) {
  return header == kRouting || header == kFragmentHeader || header == kAuthentication ||
         header == kDestinationOptions || (header == kHopByHop && named_at == kNextHeaderOffset);
}

// The length of the extension header that `rest` begins with; at least eight bytes are there.
Result<std::size_t, Drop> extension_bytes(std::uint8_t header, Bytes rest) {
  const std::size_t length = byte_at(rest, 1);
  if (header == kFragmentHeader) {
    return std::size_t{8};
  }
  if (header != kAuthentication) {
    return (length + 1) * 8;
  }
  // RFC 4302 2.2: in four-byte units, minus 2; the fixed part is twelve bytes.
  if (length < 1) {
    return Unexpected{Drop::kBadHeaderLength};
  }
  return (length + 2) * 4;
}

void read_fragment_header(Bytes header, Packet& packet) {
  const auto field = load_be<std::uint16_t>(header, 2);
  packet.is_fragment = true;
  packet.more_fragments = (field & 1U) != 0;
  packet.fragment_offset = static_cast<std::uint16_t>(field & 0xfff8U);
  packet.fragment_id = load_be<std::uint32_t>(header, 4);
}

// A place in the chain: the header that begins at `offset`, and where its number stands.
struct Link {
  std::uint8_t header = 0;
  std::uint16_t named_at = 0;
  std::size_t offset = 0;
};

// Follows the chain to the transport header, or to just behind the next fragment header: what
// follows that one may be the middle of anything.
Failure read_extensions(Bytes bytes, Link link, Packet& packet) {
  auto [header, named_at, offset] = link;
  bool fragmented = false;
  for (int followed = 0; !fragmented && is_extension(header, named_at); ++followed) {
    if (followed == kMaxExtensions) {
      return Drop::kTooManyExtensions;
    }
    const Bytes rest = bytes.subspan(offset);
    if (rest.size() < 8) {
      return Drop::kTruncated;
    }
    const auto length = extension_bytes(header, rest);
    if (!length) {
      return length.error();
    }
    if (*length > rest.size()) {
      return Drop::kTruncated;
    }
    if (header == kFragmentHeader) {
      read_fragment_header(rest, packet);
      fragmented = true;
    }
    named_at = static_cast<std::uint16_t>(offset);
    header = byte_at(rest, 0);
    offset += *length;
  }
  packet.protocol = Protocol{header};
  packet.protocol_offset = named_at;
  packet.transport_offset = static_cast<std::uint16_t>(offset);
  return std::nullopt;
}

Failure read_ipv6(Bytes bytes, Packet& packet) {
  if (bytes.size() < kIpv6HeaderBytes) {
    return Drop::kTruncated;
  }
  const std::size_t total_bytes = kIpv6HeaderBytes + load_be<std::uint16_t>(bytes, 4);
  if (total_bytes > bytes.size()) {
    return Drop::kTruncated;
  }
  if (total_bytes < bytes.size()) {
    return Drop::kBadTotalLength;
  }
  packet.traffic_class = static_cast<std::uint8_t>(load_be<std::uint16_t>(bytes, 0) >> 4U);
  packet.dont_fragment = true;
  packet.ttl = byte_at(bytes, 7);
  packet.source.address = IpAddress::from_v6_bytes(bytes.subspan<8, 16>());
  packet.destination.address = IpAddress::from_v6_bytes(bytes.subspan<24, 16>());
  if (packet.source.address.is_v4()) {
    return Drop::kMartianSource;
  }
  if (packet.destination.address.is_v4()) {
    return Drop::kMartianDestination;
  }
  return read_extensions(
      bytes, {byte_at(bytes, kNextHeaderOffset), kNextHeaderOffset, kIpv6HeaderBytes}, packet);
}

// ---- Transport ----

// Whether the offload header says nothing, or what the packet says, too.
bool vnet_fits(const VnetHeader& vnet, const Packet& packet, bool v6,
               std::uint16_t checksum_offset) {
  if (vnet.has_partial_checksum() &&
      (vnet.checksum_start != packet.transport_offset || vnet.checksum_offset != checksum_offset)) {
    return false;
  }
  if (!vnet.is_gso()) {
    return true;
  }
  if (!vnet.has_partial_checksum() || vnet.gso_bytes == 0) {
    return false;
  }
  if (packet.protocol == Protocol::kUdp) {
    return vnet.gso_type == VnetHeader::kGsoUdpL4;
  }
  const int type = vnet.gso_type & ~VnetHeader::kGsoEcn;
  return type == (v6 ? VnetHeader::kGsoTcpV6 : VnetHeader::kGsoTcpV4);
}

// Whether cutting gives a bounded number of packets, each of which parse() would take: a SYN or RST
// takes part in no super-segment, and FIN and PSH stand in its last segment alone.
bool may_be_cut(const VnetHeader& vnet, const Packet& packet) {
  const TcpFlags flags = packet.tcp_flags;
  const bool is_data =
      packet.protocol == Protocol::kUdp || (flags.ack() && !flags.syn() && !flags.rst());
  return is_data && packet.payload_bytes() <= vnet.gso_bytes * kMaxSegments;
}

// Whether the checksum over `segment` and, except for ICMP, the pseudo-header comes out right.
bool checksum_holds(Bytes bytes, const Packet& packet, bool v6) {
  const Bytes segment = bytes.subspan(packet.transport_offset);
  std::uint32_t sum = sum_of(segment);
  if (packet.protocol != Protocol::kIcmp) {
    sum += pseudo_header_sum(v6 ? bytes.subspan(8, 32) : bytes.subspan(12, 8), packet.protocol,
                             static_cast<std::uint32_t>(segment.size()));
  }
  return fold(sum) == 0xffff;
}

bool must_verify(const VnetHeader& vnet) {
  return (vnet.flags & (VnetHeader::kNeedsChecksum | VnetHeader::kDataValid)) == 0;
}

bool may_be(TcpFlags flags) {
  constexpr std::uint8_t kControl = TcpFlags::kFin | TcpFlags::kSyn | TcpFlags::kRst |
                                    TcpFlags::kPsh | TcpFlags::kAck | TcpFlags::kUrg;
  return (flags.bits & kControl) != 0 && !(flags.syn() && (flags.fin() || flags.rst()));
}

Failure read_tcp(Bytes bytes, const VnetHeader& vnet, bool v6, Packet& packet) {
  const Bytes segment = bytes.subspan(packet.transport_offset);
  if (segment.size() < kTcpHeaderBytes) {
    return Drop::kTruncated;
  }
  const std::size_t header_bytes = (byte_at(segment, 12) >> 4U) * std::size_t{4};
  if (header_bytes < kTcpHeaderBytes) {
    return Drop::kBadHeaderLength;
  }
  if (header_bytes > segment.size()) {
    return Drop::kTruncated;
  }
  if (!vnet_fits(vnet, packet, v6, kTcpChecksumOffset)) {
    return Drop::kBadVnetHeader;
  }
  if (must_verify(vnet) && !checksum_holds(bytes, packet, v6)) {
    return Drop::kBadTransportChecksum;
  }
  packet.source.port = Port{load_be<std::uint16_t>(segment, 0)};
  packet.destination.port = Port{load_be<std::uint16_t>(segment, 2)};
  packet.sequence = load_be<std::uint32_t>(segment, 4);
  packet.acknowledgement = load_be<std::uint32_t>(segment, 8);
  packet.tcp_flags.bits = byte_at(segment, 13);
  packet.window = load_be<std::uint16_t>(segment, 14);
  packet.payload_offset = packet.transport_offset + static_cast<std::uint32_t>(header_bytes);
  if (!may_be(packet.tcp_flags)) {
    return Drop::kBadTcpFlags;
  }
  if (vnet.is_gso() && !may_be_cut(vnet, packet)) {
    return Drop::kBadVnetHeader;
  }
  return std::nullopt;
}

Failure read_udp(Bytes bytes, const VnetHeader& vnet, bool v6, Packet& packet) {
  const Bytes datagram = bytes.subspan(packet.transport_offset);
  if (datagram.size() < kUdpHeaderBytes) {
    return Drop::kTruncated;
  }
  const std::size_t length = load_be<std::uint16_t>(datagram, 4);
  if (length > datagram.size()) {
    return Drop::kTruncated;
  }
  if (length < datagram.size()) {  // and so never below eight
    return Drop::kBadTotalLength;
  }
  if (!vnet_fits(vnet, packet, v6, kUdpChecksumOffset)) {
    return Drop::kBadVnetHeader;
  }
  const bool has_none =
      load_be<std::uint16_t>(datagram, kUdpChecksumOffset) == 0 && !vnet.has_partial_checksum();
  if (has_none && v6) {
    return Drop::kBadTransportChecksum;  // RFC 8200 8.1
  }
  if (!has_none && must_verify(vnet) && !checksum_holds(bytes, packet, v6)) {
    return Drop::kBadTransportChecksum;
  }
  packet.source.port = Port{load_be<std::uint16_t>(datagram, 0)};
  packet.destination.port = Port{load_be<std::uint16_t>(datagram, 2)};
  packet.payload_offset = packet.transport_offset + std::uint32_t{kUdpHeaderBytes};
  if (vnet.is_gso() && !may_be_cut(vnet, packet)) {
    return Drop::kBadVnetHeader;
  }
  return std::nullopt;
}

Failure read_icmp(Bytes bytes, const VnetHeader& vnet, bool v6, Packet& packet) {
  const Bytes message = bytes.subspan(packet.transport_offset);
  if (message.size() < kIcmpHeaderBytes) {
    return Drop::kTruncated;
  }
  if (must_verify(vnet) && !checksum_holds(bytes, packet, v6)) {
    return Drop::kBadTransportChecksum;
  }
  packet.icmp_type = byte_at(message, 0);
  packet.icmp_code = byte_at(message, 1);
  packet.is_echo = is_echo(packet.protocol, packet.icmp_type);
  if (packet.is_echo) {
    packet.source.port = Port{load_be<std::uint16_t>(message, 4)};
    packet.destination.port = packet.source.port;
  }
  packet.payload_offset = packet.transport_offset + std::uint32_t{kIcmpHeaderBytes};
  return std::nullopt;
}

Failure read_transport(Bytes bytes, const VnetHeader& vnet, bool v6, Packet& packet) {
  packet.payload_offset = packet.transport_offset;
  if (!packet.is_fragment && packet.protocol == Protocol::kTcp) {
    return read_tcp(bytes, vnet, v6, packet);
  }
  if (!packet.is_fragment && packet.protocol == Protocol::kUdp) {
    return read_udp(bytes, vnet, v6, packet);
  }
  // Nothing else is ever offloaded: a partial checksum there would go out unfinished.
  if (vnet.has_partial_checksum() || vnet.is_gso()) {
    return Drop::kBadVnetHeader;
  }
  if (packet.protocol == (v6 ? Protocol::kIcmp : Protocol::kIcmpv6)) {
    return Drop::kUnsupportedProtocol;
  }
  if (!packet.is_fragment && packet.protocol == (v6 ? Protocol::kIcmpv6 : Protocol::kIcmp)) {
    return read_icmp(bytes, vnet, v6, packet);
  }
  return std::nullopt;
}

// ---- First fragments ----

// The lengths that headers name are those of the whole packet, so only the headers themselves are
// held against the bytes.
Failure read_head(Bytes transport, Packet& packet) {
  switch (packet.protocol) {
    case Protocol::kTcp: {
      if (transport.size() < kTcpHeaderBytes) {
        return Drop::kTinyFragment;
      }
      const std::size_t header_bytes = (byte_at(transport, 12) >> 4U) * std::size_t{4};
      packet.sequence = load_be<std::uint32_t>(transport, 4);
      packet.acknowledgement = load_be<std::uint32_t>(transport, 8);
      packet.tcp_flags.bits = byte_at(transport, 13);
      if (header_bytes < kTcpHeaderBytes) {
        return Drop::kBadHeaderLength;
      }
      if (header_bytes > transport.size()) {
        return Drop::kTinyFragment;
      }
      if (!may_be(packet.tcp_flags)) {
        return Drop::kBadTcpFlags;
      }
      break;
    }
    case Protocol::kUdp:
      break;
    case Protocol::kIcmp:
    case Protocol::kIcmpv6:
      if (transport.size() < kIcmpHeaderBytes) {
        return Drop::kTinyFragment;
      }
      packet.icmp_type = byte_at(transport, 0);
      packet.icmp_code = byte_at(transport, 1);
      packet.is_echo = is_echo(packet.protocol, packet.icmp_type);
      if (packet.is_echo) {
        packet.source.port = Port{load_be<std::uint16_t>(transport, 4)};
        packet.destination.port = packet.source.port;
      }
      return std::nullopt;
    default:
      return std::nullopt;
  }
  if (transport.size() < kUdpHeaderBytes) {
    return Drop::kTinyFragment;
  }
  packet.source.port = Port{load_be<std::uint16_t>(transport, 0)};
  packet.destination.port = Port{load_be<std::uint16_t>(transport, 2)};
  return std::nullopt;
}

// ---- Addresses ----

bool is_martian(const IpAddress& address) {
  if (address.is_v4()) {
    const std::uint32_t first = address.v4_number() >> 24U;
    return first == 0 || first == 127 || first >= 224;  // 224/4 multicast, 240/4 with broadcast
  }
  const auto prefix = load_be<std::uint64_t>(address.bytes(), 0);
  const bool is_multicast = prefix >> 56U == 0xff;
  const bool is_link_local = prefix >> 54U == 0xfe80U >> 6U;
  const bool is_unspecified_or_loopback =
      prefix == 0 && load_be<std::uint64_t>(address.bytes(), 8) <= 1;
  return is_multicast || is_link_local || is_unspecified_or_loopback;
}

}  // namespace

Result<Packet, Drop> parse(Bytes bytes, const VnetHeader& vnet) {
  if (bytes.empty()) {
    return Unexpected{Drop::kEmpty};
  }
  const unsigned version = byte_at(bytes, 0) >> 4U;
  if (version != 4 && version != 6) {
    return Unexpected{Drop::kBadVersion};
  }
  const bool v6 = version == 6;
  Packet packet;
  packet.total_bytes = static_cast<std::uint32_t>(bytes.size());
  Failure failure = v6 ? read_ipv6(bytes, packet) : read_ipv4(bytes, packet);
  if (!failure) {
    failure = read_transport(bytes, vnet, v6, packet);
  }
  if (failure) {
    return Unexpected{*failure};
  }
  return packet;
}

Result<Packet, Drop> parse_first_fragment(Bytes bytes, const Packet& packet) {
  CHECK(packet.is_fragment && packet.fragment_offset == 0 && bytes.size() == packet.total_bytes);
  Packet head = packet;
  const bool v6 = !packet.is_v4();
  if (v6) {
    head.is_fragment = false;
    const Link behind{static_cast<std::uint8_t>(packet.protocol), packet.protocol_offset,
                      packet.transport_offset};
    const auto failure = read_extensions(bytes, behind, head);
    if (failure == Drop::kTruncated) {
      return Unexpected{Drop::kTinyFragment};
    }
    if (failure) {
      return Unexpected{*failure};
    }
    if (head.is_fragment) {
      return Unexpected{Drop::kBadFragment};  // a fragment of a fragment
    }
    head.is_fragment = true;
  }
  if (head.protocol == (v6 ? Protocol::kIcmp : Protocol::kIcmpv6)) {
    return Unexpected{Drop::kUnsupportedProtocol};
  }
  if (const auto failure = read_head(bytes.subspan(head.transport_offset), head)) {
    return Unexpected{*failure};
  }
  head.payload_offset = head.transport_offset;
  return head;
}

bool is_martian_source(const IpAddress& address) {
  return is_martian(address);
}

bool is_martian_destination(const IpAddress& address) {
  return is_martian(address);
}

}  // namespace flows
