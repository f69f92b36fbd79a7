// Packet: what the headers of one IP packet say, every length checked.
//
// Theory of operation
//
// parse() reads the network and the transport header once and returns their facts as a value. It
// borrows nothing; the bytes stay where they are and are rewritten in place later (nat/rewrite.h).
// Holding a Packet means: the bytes are one whole IPv4 or IPv6 packet, the offsets lie inside them,
// and the checksums were right, are still to be completed by offload, or were vouched for by it.
//
//     IP header -> extension headers (v6, at most kMaxExtensions) -> TCP | UDP | ICMP echo | other
//
// A fragment is parsed as far as its IP headers: what follows may be the middle of anything, and
// its checksum covers bytes that are elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/endpoint.h"
#include "base/result.h"
#include "flows/drop.h"
#include "flows/protocol.h"
#include "flows/vnet_header.h"

namespace flows {

/// The flag byte of the TCP header (RFC 9293 3.1).
struct TcpFlags {
  static constexpr std::uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kPsh = 0x08, kAck = 0x10,
                                kUrg = 0x20, kEce = 0x40, kCwr = 0x80;
  std::uint8_t bits = 0;

  [[nodiscard]] bool fin() const { return (bits & kFin) != 0; }
  [[nodiscard]] bool syn() const { return (bits & kSyn) != 0; }
  [[nodiscard]] bool rst() const { return (bits & kRst) != 0; }
  [[nodiscard]] bool ack() const { return (bits & kAck) != 0; }
  /// A SYN that asks for a connection, not one that answers.
  [[nodiscard]] bool opens() const { return syn() && !ack(); }
};

/// IPv6 extension headers followed before the packet is dropped. Chosen: twice what RFC 8200 4.1
/// recommends to send.
inline constexpr int kMaxExtensions = 8;

/// Packets that a super-segment may stand for, so that one write of a hostile peer cannot make us
/// send 65,000. Chosen: 64 KiB at the smallest MSS that Linux sends with (48, with timestamps) are
/// 1,821; the next power of two.
inline constexpr std::uint32_t kMaxSegments = 2048;

struct Packet {
  base::Endpoint source;  // port: TCP/UDP port; ICMP echo identifier in both; else 0
  base::Endpoint destination;
  Protocol protocol{};             // of the transport header, after IPv6 extension headers
  std::uint8_t ttl = 0;            // or hop limit
  std::uint8_t traffic_class = 0;  // DSCP and ECN
  bool dont_fragment = false;      // IPv4 DF; always so for IPv6
  bool is_fragment = false;        // IPv4 MF/offset or an IPv6 fragment header; ports are 0 then
  bool more_fragments = false;
  std::uint16_t fragment_offset = 0;  // in bytes, of what is at transport_offset
  std::uint32_t fragment_id = 0;      // fragments only; 16 bits in IPv4
  std::uint32_t total_bytes = 0;
  std::uint16_t protocol_offset = 0;   // of the byte that holds `protocol`
  std::uint16_t transport_offset = 0;  // where the transport header begins
  std::uint32_t payload_offset = 0;    // where what it carries begins; == total_bytes when nothing.
                                       // == transport_offset for a fragment or another protocol
  // TCP only.
  TcpFlags tcp_flags;
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgement = 0;
  std::uint16_t window = 0;  // as on the wire, unscaled
  // ICMP and ICMPv6 only.
  std::uint8_t icmp_type = 0;
  std::uint8_t icmp_code = 0;
  bool is_echo = false;  // request or reply: the ports are the identifier

  [[nodiscard]] bool is_v4() const { return source.address.is_v4(); }
  [[nodiscard]] std::uint32_t payload_bytes() const { return total_bytes - payload_offset; }
};

/// `bytes` is one packet from its IP header on, and nothing behind it. `vnet` is its offload header
/// (a default one where there is none): a partial checksum is not verified, a TCP super-segment may
/// be as long as the bytes are.
///
/// Fails with the reason to count. IPv6 addresses in ::ffff:0:0/96 are kMartianSource/Destination
/// here already, because base::IpAddress could not tell them from IPv4; and ICMP in IPv6 or ICMPv6
/// in IPv4 is kUnsupportedProtocol, so that `protocol` alone says how to read the ICMP fields.
///
/// Beyond the lengths, an offload header must name the checksum field of a whole TCP or UDP packet
/// and a GSO type of its protocol, which must come with a partial checksum (virtio 1.2, 5.1.6.2). A
/// super-segment stands for at most kMaxSegments packets and is no SYN or RST.
base::Result<Packet, Drop> parse(std::span<const std::byte> bytes, const VnetHeader& vnet);

/// Whether a tunnel's packet may come from / go to such an address at all: not loopback, multicast,
/// broadcast, unspecified, 0.0.0.0/8, 240.0.0.0/4, or IPv6 link-local.
bool is_martian_source(const base::IpAddress& address);
bool is_martian_destination(const base::IpAddress& address);

}  // namespace flows
