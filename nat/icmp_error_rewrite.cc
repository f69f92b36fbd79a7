#include "nat/icmp_error_rewrite.h"

#include <algorithm>
#include <array>

#include "base/byte_order.h"
#include "base/check.h"
#include "flows/icmp_type.h"
#include "flows/internet_checksum.h"
#include "flows/ip_header.h"
#include "nat/checksum_offset.h"

namespace nat {

using base::IpAddress;
using base::load_be;
using base::Port;
using base::store_be;
using flows::ChecksumChange;
using flows::Packet;
using flows::Protocol;

namespace {

using Bytes = std::span<const std::byte>;
using Writable = std::span<std::byte>;

constexpr std::size_t kPortsBytes = 8;  // of a transport header that a quote has at least
constexpr std::size_t kEchoIdentifierOffset = 4;

std::optional<Quote> read_ipv4(Bytes quoted) {
  if (quoted.size() < flows::kIpv4HeaderBytes || (quoted[0] >> 4U) != std::byte{4}) {
    return std::nullopt;
  }
  const auto header_bytes = std::to_integer<std::uint32_t>(quoted[0] & std::byte{0x0f}) * 4;
  const bool is_first_fragment = (load_be<std::uint16_t>(quoted, 6) & 0x1fffU) == 0;
  if (header_bytes < flows::kIpv4HeaderBytes || !is_first_fragment) {
    return std::nullopt;
  }
  Quote quote;
  quote.protocol = Protocol{load_be<std::uint8_t>(quoted, 9)};
  quote.source.address = IpAddress::from_v4_bytes(quoted.subspan<12, 4>());
  quote.destination.address = IpAddress::from_v4_bytes(quoted.subspan<16, 4>());
  quote.transport_offset = header_bytes;
  return quote;
}

std::optional<Quote> read_ipv6(Bytes quoted) {
  if (quoted.size() < flows::kIpv6HeaderBytes || (quoted[0] >> 4U) != std::byte{6}) {
    return std::nullopt;
  }
  constexpr std::uint8_t kFragmentHeader = 44;
  constexpr std::uint32_t kFragmentHeaderBytes = 8;
  Quote quote;
  const auto next_header = load_be<std::uint8_t>(quoted, 6);
  quote.protocol = Protocol{next_header};
  quote.transport_offset = flows::kIpv6HeaderBytes;
  if (next_header == kFragmentHeader) {
    if (quoted.size() < flows::kIpv6HeaderBytes + kFragmentHeaderBytes ||
        (load_be<std::uint16_t>(quoted, flows::kIpv6HeaderBytes + 2) & 0xfff8U) != 0) {
      return std::nullopt;
    }
    quote.protocol = Protocol{load_be<std::uint8_t>(quoted, flows::kIpv6HeaderBytes)};
    quote.transport_offset += kFragmentHeaderBytes;
  }
  quote.source.address = IpAddress::from_v6_bytes(quoted.subspan<8, 16>());
  quote.destination.address = IpAddress::from_v6_bytes(quoted.subspan<24, 16>());
  // A v4-mapped address would pass for IPv4.
  const bool is_mapped = quote.source.address.is_v4() || quote.destination.address.is_v4();
  return is_mapped ? std::nullopt : std::optional(quote);
}

// IPv6 extension headers (IANA): what follows them is not read.
bool is_extension(Protocol protocol) {
  constexpr std::array<std::uint8_t, 5> kExtensions{0, 43, 44, 51, 60};
  return std::ranges::find(kExtensions, static_cast<std::uint8_t>(protocol)) != kExtensions.end();
}

bool read_ports(Bytes transport, bool v4, Quote& quote) {
  if (quote.protocol == Protocol::kTcp || quote.protocol == Protocol::kUdp) {
    quote.source.port = Port{load_be<std::uint16_t>(transport, 0)};
    quote.destination.port = Port{load_be<std::uint16_t>(transport, 2)};
    return true;
  }
  if (quote.protocol == Protocol::kIcmp || quote.protocol == Protocol::kIcmpv6) {
    quote.icmp_type = load_be<std::uint8_t>(transport, 0);
    if (v4 != (quote.protocol == Protocol::kIcmp) ||
        !flows::is_echo(quote.protocol, quote.icmp_type)) {
      return false;
    }
  } else {
    quote.has_ports = false;
    return v4 || !is_extension(quote.protocol);
  }
  quote.source.port = Port{load_be<std::uint16_t>(transport, kEchoIdentifierOffset)};
  quote.destination.port = quote.source.port;
  return true;
}

void replace(Writable field, Bytes with, ChecksumChange& change) {
  change.replace(field, with);
  std::ranges::copy(with, field.begin());
}

void replace_port(Writable transport, std::size_t offset, Port port, ChecksumChange& change) {
  change.replace(load_be<std::uint16_t>(transport, offset), number(port));
  store_be(transport, offset, number(port));
}

void update_transport_checksum(Writable transport, Protocol protocol,
                               const ChecksumChange& addresses, const ChecksumChange& ports) {
  const std::size_t offset = checksum_offset(protocol).value();  // read_quote() knows no others
  if (offset + 2 > transport.size()) {
    return;  // cut off
  }
  const auto before = load_be<std::uint16_t>(transport, offset);
  if (protocol == Protocol::kUdp && before == 0) {
    return;  // there is none
  }
  auto after = ports.applied_to(before);
  if (protocol != Protocol::kIcmp) {  // which has no pseudo-header
    after = addresses.applied_to(after);
  }
  store_be<std::uint16_t>(transport, offset,
                          protocol == Protocol::kUdp && after == 0 ? 0xffff : after);
}

void rewrite_quoted(Writable bytes, const Quote& quote, const NewEnds& ends) {
  const bool v4 = quote.source.address.is_v4();
  const auto header = bytes.subspan(quote.ip_offset);
  const auto transport = bytes.subspan(quote.transport_offset);
  const std::size_t size = v4 ? 4 : 16;
  const std::size_t source_offset = v4 ? 12 : 8;
  ChecksumChange addresses;
  ChecksumChange ports;
  replace(header.subspan(source_offset, size), ends.source.address.wire_bytes(), addresses);
  replace(header.subspan(source_offset + size, size), ends.destination.address.wire_bytes(),
          addresses);
  if (v4) {
    store_be(header, 10, addresses.applied_to(load_be<std::uint16_t>(header, 10)));
  }
  if (quote.protocol == Protocol::kTcp || quote.protocol == Protocol::kUdp) {
    replace_port(transport, 0, ends.source.port, ports);
    replace_port(transport, 2, ends.destination.port, ports);
  } else {
    replace_port(transport, kEchoIdentifierOffset, ends.source.port, ports);
  }
  update_transport_checksum(transport, quote.protocol, addresses, ports);
}

}  // namespace

std::optional<Quote> read_quote(Bytes bytes, const Packet& packet) {
  CHECK(bytes.size() == packet.total_bytes && !packet.is_fragment);
  const bool v4 = packet.is_v4();
  const Bytes quoted = bytes.subspan(packet.payload_offset);
  auto quote = v4 ? read_ipv4(quoted) : read_ipv6(quoted);
  if (!quote || quote->transport_offset + kPortsBytes > quoted.size() ||
      !read_ports(quoted.subspan(quote->transport_offset), v4, *quote)) {
    return std::nullopt;
  }
  quote->ip_offset = packet.payload_offset;
  quote->transport_offset += packet.payload_offset;
  return quote;
}

void rewrite_icmp_error(Writable bytes, const Packet& packet, const Quote& quote,
                        const NewEnds& outer, const NewEnds& quoted) {
  const bool v4 = packet.is_v4();
  CHECK(quoted.source.address.is_v4() == v4 && quoted.destination.address.is_v4() == v4);
  CHECK(quote.has_ports);
  rewrite(bytes, packet, {}, outer);
  rewrite_quoted(bytes, quote, quoted);
  const auto message = bytes.subspan(packet.transport_offset);
  const std::uint32_t pseudo =
      v4 ? 0
         : flows::pseudo_header_sum(outer.source.address, outer.destination.address,
                                    Protocol::kIcmpv6, static_cast<std::uint32_t>(message.size()));
  store_be<std::uint16_t>(message, 2, 0);
  store_be(message, 2, flows::checksum_of(pseudo + flows::sum_of(message)));
}

}  // namespace nat
