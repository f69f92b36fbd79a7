#include "flows/reply.h"

#include <algorithm>

#include "base/byte_order.h"
#include "base/check.h"
#include "flows/internet_checksum.h"
#include "flows/ip_header.h"

namespace flows {

using base::IpAddress;
using base::store_be;

namespace {

using Writable = std::span<std::byte>;

constexpr std::size_t kTcpHeaderBytes = 20;
constexpr std::size_t kIcmpHeaderBytes = 8;
constexpr std::size_t kMaxIcmpErrorBytes = 576;     // RFC 1812 4.3.2.3
constexpr std::size_t kMaxIcmpv6ErrorBytes = 1280;  // RFC 4443 2.4 c
static_assert(kMaxReplyBytes == kMaxIcmpv6ErrorBytes && kMaxReplyBytes >= kMaxIcmpErrorBytes);

void put(Writable out, std::size_t offset, std::span<const std::byte> bytes) {
  const Writable room = out.subspan(offset, bytes.size());
  std::ranges::copy(bytes, room.begin());
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

bool may_be_answered(const Packet& packet) {
  if (packet.is_fragment) {
    // Of a fragment we may not have seen the transport header: only these cannot be ICMP errors.
    const bool known =
        packet.protocol == Protocol::kTcp || packet.protocol == Protocol::kUdp || packet.is_echo;
    if (packet.fragment_offset != 0 || !known) {
      return false;
    }
  }
  return !is_icmp_error(packet) && !is_multicast_or_broadcast(packet.destination.address) &&
         !is_martian_source(packet.source.address);
}

IcmpError unreachable_v4(Unreachable why) {
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

IcmpError unreachable_v6(Unreachable why, const Packet& packet) {
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

void write_icmp_message(Writable message, const IcmpError& error, std::span<const std::byte> quote,
                        std::uint32_t pseudo) {
  store_be(message, 0, error.type);
  store_be(message, 1, error.code);
  store_be<std::uint16_t>(message, 2, 0);
  store_be(message, 4, error.rest);
  put(message, kIcmpHeaderBytes, quote);
  store_be(message, 2, checksum_of(pseudo + sum_of(message)));
}

}  // namespace

IcmpError unreachable(Unreachable why, const Packet& packet) {
  return packet.is_v4() ? unreachable_v4(why) : unreachable_v6(why, packet);
}

IcmpError time_exceeded(bool v4) {
  return {static_cast<std::uint8_t>(v4 ? 11 : 3), 0};
}

IcmpError reassembly_time_exceeded(bool v4) {
  return {static_cast<std::uint8_t>(v4 ? 11 : 3), 1};
}

IcmpError too_big(bool v4, std::uint32_t mtu_bytes) {
  return v4 ? IcmpError{3, 4, std::min(mtu_bytes, 0xffffU)} : IcmpError{2, 0, mtu_bytes};
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
  return build_icmp_error(original, packet, unreachable(why, packet), from, out);
}

std::optional<std::size_t> build_icmp_error(std::span<const std::byte> original,
                                            const Packet& packet, const IcmpError& error,
                                            const IpAddress& from, std::span<std::byte> out) {
  const bool v4 = packet.is_v4();
  CHECK(from.is_v4() == v4 && original.size() >= packet.payload_offset &&
        original.size() <= packet.total_bytes);
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
  write_icmp_message(message, error, quote, pseudo);
  return reply.size();
}

}  // namespace flows
