#include "flows/reply.h"

#include <algorithm>

#include "base/byte_order.h"
#include "base/check.h"
#include "flows/internet_checksum.h"

namespace flows {

using base::IpAddress;
using base::store_be;

namespace {

using Writable = std::span<std::byte>;

constexpr std::size_t kIpv4HeaderBytes = 20;
constexpr std::size_t kIpv6HeaderBytes = 40;
constexpr std::size_t kTcpHeaderBytes = 20;
constexpr std::size_t kIcmpHeaderBytes = 8;
constexpr std::size_t kMaxIcmpErrorBytes = 576;     // RFC 1812 4.3.2.3
constexpr std::size_t kMaxIcmpv6ErrorBytes = 1280;  // RFC 4443 2.4 c
static_assert(kMaxReplyBytes == kMaxIcmpv6ErrorBytes && kMaxReplyBytes >= kMaxIcmpErrorBytes);
constexpr std::uint8_t kHops = 64;  // the recommended default (IANA, "IP TTL")

struct Ends {
  const IpAddress& from;
  const IpAddress& to;
};

constexpr std::size_t ip_header_bytes(bool v4) {
  return v4 ? kIpv4HeaderBytes : kIpv6HeaderBytes;
}

void put(Writable out, std::size_t offset, std::span<const std::byte> bytes) {
  const Writable room = out.subspan(offset, bytes.size());
  std::copy(bytes.begin(), bytes.end(), room.begin());
}

// `out` is exactly the packet.
void write_ipv4_header(Writable out, Ends ends, Protocol protocol) {
  store_be<std::uint16_t>(out, 0, 0x4500);
  store_be(out, 2, static_cast<std::uint16_t>(out.size()));
  // Identification 0: with DF no reassembly will ever ask for it (RFC 6864 4.1).
  store_be<std::uint32_t>(out, 4, 0x4000);
  store_be(out, 8, kHops);
  store_be(out, 9, static_cast<std::uint8_t>(protocol));
  store_be<std::uint16_t>(out, 10, 0);
  put(out, 12, ends.from.wire_bytes());
  put(out, 16, ends.to.wire_bytes());
  store_be(out, 10, checksum_of(sum_of(out.first(kIpv4HeaderBytes))));
}

void write_ipv6_header(Writable out, Ends ends, Protocol protocol) {
  store_be<std::uint32_t>(out, 0, 0x60000000);
  store_be(out, 4, static_cast<std::uint16_t>(out.size() - kIpv6HeaderBytes));
  store_be(out, 6, static_cast<std::uint8_t>(protocol));
  store_be(out, 7, kHops);
  put(out, 8, ends.from.wire_bytes());
  put(out, 24, ends.to.wire_bytes());
}

void write_ip_header(Writable out, Ends ends, Protocol protocol) {
  if (ends.from.is_v4()) {
    write_ipv4_header(out, ends, protocol);
  } else {
    write_ipv6_header(out, ends, protocol);
  }
}

// ---- RST ----

// What the segment takes of the sequence space (RFC 9293 3.4).
std::uint32_t segment_length(const Packet& packet) {
  return packet.payload_bytes() + (packet.tcp_flags.syn() ? 1U : 0U) +
         (packet.tcp_flags.fin() ? 1U : 0U);
}

void write_reset_segment(Writable segment, const Packet& packet) {
  const bool acknowledged = packet.tcp_flags.ack();
  store_be(segment, 0, number(packet.destination.port));
  store_be(segment, 2, number(packet.source.port));
  store_be<std::uint32_t>(segment, 4, acknowledged ? packet.acknowledgement : 0);
  store_be<std::uint32_t>(segment, 8, acknowledged ? 0 : packet.sequence + segment_length(packet));
  store_be<std::uint8_t>(segment, 12, kTcpHeaderBytes / 4 << 4U);
  store_be<std::uint8_t>(segment, 13,
                         acknowledged ? TcpFlags::kRst : TcpFlags::kRst | TcpFlags::kAck);
  store_be<std::uint16_t>(segment, 14, 0);  // window
  store_be<std::uint32_t>(segment, 16, 0);  // checksum, urgent pointer
  const std::uint32_t pseudo =
      pseudo_header_sum(packet.destination.address, packet.source.address, Protocol::kTcp,
                        static_cast<std::uint32_t>(segment.size()));
  store_be(segment, 16, checksum_of(pseudo + sum_of(segment)));
}

// ---- ICMP errors ----

bool is_multicast_or_broadcast(const IpAddress& address) {
  if (address.is_v4()) {
    return address.v4_number() >= 0xe0000000U;
  }
  return address.bytes()[0] == std::byte{0xff};
}

bool is_icmp_error(const Packet& packet) {
  if (packet.protocol == Protocol::kIcmpv6) {
    return packet.icmp_type < 128 || packet.icmp_type == 137;  // RFC 4443 2.1; redirect
  }
  constexpr std::uint8_t kUnreachable = 3, kSourceQuench = 4, kRedirect = 5, kTimeExceeded = 11,
                         kParameterProblem = 12;
  return packet.protocol == Protocol::kIcmp &&
         (packet.icmp_type == kUnreachable || packet.icmp_type == kSourceQuench ||
          packet.icmp_type == kRedirect || packet.icmp_type == kTimeExceeded ||
          packet.icmp_type == kParameterProblem);
}

bool may_be_answered(const Packet& packet) {
  if (packet.is_fragment) {
    // Of a fragment we have not seen the transport header: only these two cannot be ICMP errors.
    const bool known = packet.protocol == Protocol::kTcp || packet.protocol == Protocol::kUdp;
    if (packet.fragment_offset != 0 || !known) {
      return false;
    }
  }
  return !is_icmp_error(packet) && !is_multicast_or_broadcast(packet.destination.address) &&
         !is_martian_source(packet.source.address);
}

struct IcmpHeader {
  std::uint8_t type;
  std::uint8_t code;
  std::uint32_t rest = 0;  // of the header: unused, or a pointer into the quoted packet
};

IcmpHeader icmp_header(Unreachable why) {
  constexpr std::uint8_t kType = 3;
  switch (why) {
    case Unreachable::kNet:
      return {kType, 0};
    case Unreachable::kHost:
      return {kType, 1};
    case Unreachable::kProtocol:
      return {kType, 2};
    case Unreachable::kPort:
      return {kType, 3};
    case Unreachable::kAdminProhibited:
      return {kType, 13};
  }
  base::check_failed("why is an Unreachable", __FILE__, __LINE__);
}

IcmpHeader icmpv6_header(Unreachable why, const Packet& packet) {
  constexpr std::uint8_t kType = 1;
  constexpr std::uint8_t kParameterProblem = 4;
  switch (why) {
    case Unreachable::kNet:
      return {kType, 0};
    case Unreachable::kHost:
      return {kType, 3};
    case Unreachable::kProtocol:
      return {kParameterProblem, 1, packet.protocol_offset};
    case Unreachable::kPort:
      return {kType, 4};
    case Unreachable::kAdminProhibited:
      return {kType, 1};
  }
  base::check_failed("why is an Unreachable", __FILE__, __LINE__);
}

void write_icmp_message(Writable message, IcmpHeader header, std::span<const std::byte> quote,
                        std::uint32_t pseudo) {
  store_be(message, 0, header.type);
  store_be(message, 1, header.code);
  store_be<std::uint16_t>(message, 2, 0);
  store_be(message, 4, header.rest);
  put(message, kIcmpHeaderBytes, quote);
  store_be(message, 2, checksum_of(pseudo + sum_of(message)));
}

}  // namespace

std::optional<std::size_t> build_reset(const Packet& packet, std::span<std::byte> out) {
  if (packet.protocol != Protocol::kTcp || packet.is_fragment || packet.tcp_flags.rst()) {
    return std::nullopt;
  }
  const std::size_t ip_bytes = ip_header_bytes(packet.is_v4());
  const Writable reply = out.first(ip_bytes + kTcpHeaderBytes);
  write_ip_header(reply, {packet.destination.address, packet.source.address}, Protocol::kTcp);
  write_reset_segment(reply.subspan(ip_bytes), packet);
  return reply.size();
}

std::optional<std::size_t> build_unreachable(std::span<const std::byte> original,
                                             const Packet& packet, Unreachable why,
                                             const IpAddress& from, std::span<std::byte> out) {
  const bool v4 = packet.is_v4();
  CHECK(from.is_v4() == v4 && original.size() == packet.total_bytes);
  if (!may_be_answered(packet)) {
    return std::nullopt;
  }
  const std::size_t headers_bytes = ip_header_bytes(v4) + kIcmpHeaderBytes;
  const std::size_t longest = v4 ? kMaxIcmpErrorBytes : kMaxIcmpv6ErrorBytes;
  const auto quote = original.first(std::min(original.size(), longest - headers_bytes));

  const Writable reply = out.first(headers_bytes + quote.size());
  const Writable message = reply.subspan(ip_header_bytes(v4));
  const Protocol protocol = v4 ? Protocol::kIcmp : Protocol::kIcmpv6;
  write_ip_header(reply, {from, packet.source.address}, protocol);
  const std::uint32_t pseudo = v4 ? 0
                                  : pseudo_header_sum(from, packet.source.address, protocol,
                                                      static_cast<std::uint32_t>(message.size()));
  write_icmp_message(message, v4 ? icmp_header(why) : icmpv6_header(why, packet), quote, pseudo);
  return reply.size();
}

}  // namespace flows
