// PacketBuilder: IP packets for tests, said in one expression.
//
//     const auto syn = tcp("10.0.0.1:40000", "192.0.2.1:443").syn().mss(1460).build();
//     const auto ping = echo_request("10.0.0.1", "192.0.2.1", 77).payload("abc").build();
//     const auto later = udp("[fd00::1]:5", "[fd00::2]:53").fragment(1480, false, 9).build();
//
// Independent of the code under test: it lays out the bytes by hand and has a checksum of its own,
// word by word. The family is that of the addresses. Everything is right unless told otherwise;
// what can be told wrong is what parse() refuses. Bytes that no method offers are patched by the
// test, which then calls fix_checksums() or does not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/endpoint.h"
#include "flows/vnet_header.h"
#include "tests/support/addresses.h"

namespace test_support {

using Packet = std::vector<std::byte>;

// ---- Bytes, the naive way ----

inline void put8(Packet& out, std::size_t value) {
  out.push_back(static_cast<std::byte>(value & 0xffU));
}
inline void put16(Packet& out, std::size_t value) {
  put8(out, value >> 8U);
  put8(out, value);
}
inline void put32(Packet& out, std::uint32_t value) {
  put16(out, value >> 16U);
  put16(out, value & 0xffffU);
}
inline void put(Packet& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}
inline void set16(std::span<std::byte> bytes, std::size_t offset, std::size_t value) {
  CHECK(offset + 2 <= bytes.size());
  bytes[offset] = static_cast<std::byte>((value >> 8U) & 0xffU);
  bytes[offset + 1] = static_cast<std::byte>(value & 0xffU);
}
inline unsigned get8(std::span<const std::byte> bytes, std::size_t offset) {
  CHECK(offset < bytes.size());
  return std::to_integer<unsigned>(bytes[offset]);
}
inline unsigned get16(std::span<const std::byte> bytes, std::size_t offset) {
  return get8(bytes, offset) << 8U | get8(bytes, offset + 1);
}
inline std::uint32_t get32(std::span<const std::byte> bytes, std::size_t offset) {
  return get16(bytes, offset) << 16U | get16(bytes, offset + 2);
}
inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// ---- Checksums, the naive way (RFC 1071 section 1) ----

inline unsigned naive_sum(std::span<const std::byte> bytes, unsigned sum = 0) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += std::to_integer<unsigned>(bytes[i]) << (i % 2 == 0 ? 8U : 0U);
    sum = (sum & 0xffffU) + (sum >> 16U);
  }
  return sum;
}

/// Of the pseudo-header, not complemented: what the field of a partial checksum holds.
inline unsigned naive_pseudo_sum(std::span<const std::byte> packet, unsigned protocol,
                                 std::size_t transport_bytes) {
  const bool v6 = get8(packet, 0) >> 4U == 6;
  Packet pseudo;
  put(pseudo, v6 ? packet.subspan(8, 32) : packet.subspan(12, 8));
  put32(pseudo, static_cast<std::uint32_t>(transport_bytes));
  put32(pseudo, protocol);
  return naive_sum(pseudo);
}

inline constexpr unsigned kIcmp = 1, kTcp = 6, kUdp = 17, kIcmpv6 = 58;

/// Where the checksum lies in the transport header of `protocol`; empty where there is none.
inline std::optional<std::size_t> checksum_field(unsigned protocol) {
  switch (protocol) {
    case kTcp:
      return 16;
    case kUdp:
      return 6;
    case kIcmp:
    case kIcmpv6:
      return 2;
    default:
      return std::nullopt;
  }
}

/// The checksum that the transport header at `offset` ought to have. A UDP checksum that comes out
/// as 0 is 0xffff.
inline unsigned naive_transport_checksum(std::span<const std::byte> packet, std::size_t offset,
                                         unsigned protocol) {
  Packet segment(packet.begin() + static_cast<std::ptrdiff_t>(offset), packet.end());
  const std::size_t field = checksum_field(protocol).value();
  set16(segment, field, 0);
  const unsigned pseudo =
      protocol == kIcmp ? 0 : naive_pseudo_sum(packet, protocol, segment.size());
  const unsigned checksum = ~naive_sum(segment, pseudo) & 0xffffU;
  return checksum == 0 && protocol == kUdp ? 0xffffU : checksum;
}

/// Sets the checksum of the IPv4 header; nothing for IPv6.
inline void fix_ip_checksum(std::span<std::byte> packet) {
  if (get8(packet, 0) >> 4U == 4) {
    set16(packet, 10, 0);
    set16(packet, 10, ~naive_sum(packet.first((get8(packet, 0) & 0xfU) * std::size_t{4})));
  }
}

/// Sets both checksums of a packet whose transport header of `protocol` is at `offset`.
inline void fix_checksums(std::span<std::byte> packet, std::size_t offset, unsigned protocol) {
  fix_ip_checksum(packet);
  if (const auto field = checksum_field(protocol)) {
    set16(packet, offset + *field, naive_transport_checksum(packet, offset, protocol));
  }
}

// ---- The builder ----

class PacketBuilder {
 public:
  PacketBuilder(unsigned protocol, base::Endpoint source, base::Endpoint destination)
      : protocol_(protocol), source_(source), destination_(destination) {
    CHECK(source.address.is_v4() == destination.address.is_v4());
  }

  // IP.
  PacketBuilder& ttl(unsigned hops) { return set(ttl_, hops); }
  PacketBuilder& traffic_class(unsigned bits) { return set(traffic_class_, bits); }
  PacketBuilder& id(std::uint32_t number) { return set(id_, number); }
  PacketBuilder& dont_fragment() { return set(dont_fragment_, true); }
  /// IPv4 only; a multiple of four bytes.
  PacketBuilder& ip_options(std::span<const std::byte> options) {
    CHECK(is_v4() && options.size() % 4 == 0);
    return append(ip_options_, options);
  }
  /// IPv6 only; `header` is its number, `bytes` all of it. Its first byte, the next header, is
  /// filled in here.
  PacketBuilder& extension(unsigned header, std::span<const std::byte> bytes) {
    CHECK(!is_v4() && !bytes.empty());
    extensions_.push_back({header, Packet(bytes.begin(), bytes.end())});
    return *this;
  }
  /// A well-formed one of `units` eight-byte units: hop-by-hop 0, routing 43, destination 60.
  PacketBuilder& extension(unsigned header, std::size_t units = 1) {
    Packet bytes(units * 8);
    bytes[1] = static_cast<std::byte>(units - 1);
    return extension(header, bytes);
  }
  /// Makes a fragment of it: what follows the IP headers is the whole datagram as built, whose
  /// place `offset` (in bytes, a multiple of eight) claims.
  PacketBuilder& fragment(unsigned offset, bool more, std::uint32_t fragment_id) {
    CHECK(offset % 8 == 0);
    id_ = fragment_id;
    return set(fragment_, Fragment{offset, more});
  }

  // TCP.
  PacketBuilder& flags(unsigned bits) { return set(flags_, bits); }
  PacketBuilder& syn() { return flags(flags_ | 0x02U); }
  PacketBuilder& fin() { return flags(flags_ | 0x01U); }
  PacketBuilder& rst() { return flags(flags_ | 0x04U); }
  PacketBuilder& ack(std::uint32_t number) {
    acknowledgement_ = number;
    return flags(flags_ | 0x10U);
  }
  PacketBuilder& seq(std::uint32_t number) { return set(sequence_, number); }
  PacketBuilder& window(unsigned bytes) { return set(window_, bytes); }
  /// Padded with end-of-options to a multiple of four bytes.
  PacketBuilder& tcp_options(std::span<const std::byte> options) {
    return append(tcp_options_, options);
  }
  PacketBuilder& mss(unsigned bytes) {
    put8(tcp_options_, 2);
    put8(tcp_options_, 4);
    put16(tcp_options_, bytes);
    return *this;
  }

  // UDP over IPv4: the field is 0, there is no checksum.
  PacketBuilder& no_checksum() { return set(no_checksum_, true); }

  // ICMP and ICMPv6: the four bytes behind the checksum.
  PacketBuilder& icmp(unsigned type, unsigned code, std::uint32_t rest = 0) {
    icmp_type_ = type;
    icmp_code_ = code;
    return set(icmp_rest_, rest);
  }

  PacketBuilder& payload(std::span<const std::byte> bytes) { return append(payload_, bytes); }
  PacketBuilder& payload(std::string_view text) { return payload(bytes_of(text)); }
  PacketBuilder& payload(std::size_t size) {  // no two neighbouring bytes are the same
    for (std::size_t i = 0; i < size; ++i) {
      put8(payload_, i * 7 + 1);
    }
    return *this;
  }

  // Offload: the checksum stays partial, and vnet() says so.
  PacketBuilder& partial_checksum() { return set(partial_, true); }
  PacketBuilder& gso(std::uint8_t type, std::uint16_t segment_bytes) {
    gso_type_ = type;
    gso_bytes_ = segment_bytes;
    return partial_checksum();
  }

  // Damage.
  PacketBuilder& bad_ip_checksum() { return set(bad_ip_checksum_, true); }
  PacketBuilder& bad_transport_checksum() { return set(bad_transport_checksum_, true); }

  [[nodiscard]] Packet build() const {
    Packet packet = ip_headers();
    put(packet, transport());
    set_length(packet);
    set_transport_checksum(packet);
    fix_ip_checksum(packet);
    if (bad_ip_checksum_ && is_v4()) {
      set16(packet, 10, get16(packet, 10) ^ 0x1000U);
    }
    return packet;
  }

  /// The offload header that goes with build().
  [[nodiscard]] flows::VnetHeader vnet() const {
    flows::VnetHeader header;
    if (partial_) {
      header.flags = flows::VnetHeader::kNeedsChecksum;
      header.checksum_start = static_cast<std::uint16_t>(transport_offset());
      header.checksum_offset = static_cast<std::uint16_t>(checksum_field(protocol_).value());
      header.gso_type = gso_type_;
      header.gso_bytes = gso_bytes_;
      header.header_bytes = static_cast<std::uint16_t>(transport_offset() + header_bytes());
    }
    return header;
  }

  [[nodiscard]] std::size_t transport_offset() const { return ip_headers().size(); }

 private:
  struct Extension {
    unsigned header;
    Packet bytes;
  };
  struct Fragment {
    unsigned offset;
    bool more;
  };

  template <class Member, class Value>
  PacketBuilder& set(Member& member, Value value) {
    member = std::move(value);
    return *this;
  }
  PacketBuilder& append(Packet& member, std::span<const std::byte> bytes) {
    put(member, bytes);
    return *this;
  }

  [[nodiscard]] bool is_v4() const { return source_.address.is_v4(); }

  [[nodiscard]] Packet ip_headers() const { return is_v4() ? ipv4_header() : ipv6_headers(); }

  [[nodiscard]] Packet ipv4_header() const {
    unsigned fragment = dont_fragment_ ? 0x4000U : 0U;
    if (fragment_) {
      fragment |= (fragment_->more ? 0x2000U : 0U) | fragment_->offset / 8;
    }
    Packet header;
    put8(header, 0x40U | (20 + ip_options_.size()) / 4);
    put8(header, traffic_class_);
    put16(header, 0);  // set_length()
    put16(header, id_ & 0xffffU);
    put16(header, fragment);
    put8(header, ttl_);
    put8(header, protocol_);
    put16(header, 0);  // fix_ip_checksum()
    put(header, source_.address.wire_bytes());
    put(header, destination_.address.wire_bytes());
    put(header, ip_options_);
    return header;
  }

  [[nodiscard]] Packet ipv6_headers() const {
    std::vector<Extension> chain = extensions_;
    if (fragment_) {
      Packet bytes;
      put16(bytes, 0);
      put16(bytes, fragment_->offset | (fragment_->more ? 1U : 0U));
      put32(bytes, id_);
      chain.push_back({44, bytes});
    }
    Packet headers;
    put32(headers, 0x60000000U | traffic_class_ << 20U);
    put16(headers, 0);  // set_length()
    put8(headers, chain.empty() ? protocol_ : chain.front().header);
    put8(headers, ttl_);
    put(headers, source_.address.wire_bytes());
    put(headers, destination_.address.wire_bytes());
    for (std::size_t i = 0; i < chain.size(); ++i) {
      chain[i].bytes[0] =
          static_cast<std::byte>(i + 1 < chain.size() ? chain[i + 1].header : protocol_);
      put(headers, chain[i].bytes);
    }
    return headers;
  }

  void set_length(Packet& packet) const {
    if (is_v4()) {
      set16(packet, 2, packet.size());
    } else {
      set16(packet, 4, packet.size() - 40);
    }
  }

  [[nodiscard]] std::size_t padded_tcp_options_bytes() const {
    return (tcp_options_.size() + 3) / 4 * 4;
  }
  [[nodiscard]] std::size_t header_bytes() const {
    return protocol_ == kTcp ? 20 + padded_tcp_options_bytes() : 8;
  }

  [[nodiscard]] Packet transport() const {
    Packet segment;
    if (protocol_ == kTcp) {
      put_tcp_header(segment);
    } else if (protocol_ == kUdp) {
      put16(segment, number(source_.port));
      put16(segment, number(destination_.port));
      put16(segment, 8 + payload_.size());
      put16(segment, 0);
    } else if (protocol_ == kIcmp || protocol_ == kIcmpv6) {
      put8(segment, icmp_type_);
      put8(segment, icmp_code_);
      put16(segment, 0);
      put32(segment, icmp_rest_);
    }
    put(segment, payload_);
    return segment;
  }

  void put_tcp_header(Packet& segment) const {
    put16(segment, number(source_.port));
    put16(segment, number(destination_.port));
    put32(segment, sequence_);
    put32(segment, acknowledgement_);
    put8(segment, header_bytes() / 4 << 4U);
    put8(segment, flags_);
    put16(segment, window_);
    put32(segment, 0);  // checksum and urgent pointer
    put(segment, tcp_options_);
    segment.resize(header_bytes());
  }

  void set_transport_checksum(Packet& packet) const {
    const auto field = checksum_field(protocol_);
    if (!field || no_checksum_) {
      return;
    }
    const std::size_t offset = transport_offset();
    unsigned checksum = partial_ ? naive_pseudo_sum(packet, protocol_, packet.size() - offset)
                                 : naive_transport_checksum(packet, offset, protocol_);
    if (bad_transport_checksum_) {
      checksum ^= 0x0100U;
    }
    set16(packet, offset + *field, checksum);
  }

  unsigned protocol_;
  base::Endpoint source_;
  base::Endpoint destination_;
  unsigned ttl_ = 64;
  unsigned traffic_class_ = 0;
  std::uint32_t id_ = 0x1234;
  bool dont_fragment_ = false;
  std::optional<Fragment> fragment_;
  Packet ip_options_;
  std::vector<Extension> extensions_;
  unsigned flags_ = 0;
  std::uint32_t sequence_ = 1000;
  std::uint32_t acknowledgement_ = 0;
  unsigned window_ = 0xfaf0;
  Packet tcp_options_;
  bool no_checksum_ = false;
  unsigned icmp_type_ = 0;
  unsigned icmp_code_ = 0;
  std::uint32_t icmp_rest_ = 0;
  Packet payload_;
  bool partial_ = false;
  std::uint8_t gso_type_ = 0;
  std::uint16_t gso_bytes_ = 0;
  bool bad_ip_checksum_ = false;
  bool bad_transport_checksum_ = false;
};

// ---- Where expressions begin ----

/// Flags are none until told.
inline PacketBuilder tcp(std::string_view source, std::string_view destination) {
  return {kTcp, endpoint(source), endpoint(destination)};
}
inline PacketBuilder udp(std::string_view source, std::string_view destination) {
  return {kUdp, endpoint(source), endpoint(destination)};
}
/// ICMP or ICMPv6, as the addresses want; addresses without ports. The type is told with icmp().
inline PacketBuilder icmp(std::string_view source, std::string_view destination) {
  const base::IpAddress from = address(source);
  return {from.is_v4() ? kIcmp : kIcmpv6, {from, {}}, {address(destination), {}}};
}
inline PacketBuilder echo_request(std::string_view source, std::string_view destination,
                                  std::uint16_t identifier, std::uint16_t sequence = 1) {
  PacketBuilder builder = icmp(source, destination);
  const unsigned type = address(source).is_v4() ? 8 : 128;
  return builder.icmp(type, 0, std::uint32_t{identifier} << 16U | sequence);
}
inline PacketBuilder echo_reply(std::string_view source, std::string_view destination,
                                std::uint16_t identifier, std::uint16_t sequence = 1) {
  PacketBuilder builder = icmp(source, destination);
  const unsigned type = address(source).is_v4() ? 0 : 129;
  return builder.icmp(type, 0, std::uint32_t{identifier} << 16U | sequence);
}
/// Any other protocol: the payload follows the IP headers. Addresses without ports.
inline PacketBuilder ip(unsigned protocol, std::string_view source, std::string_view destination) {
  return {protocol, {address(source), {}}, {address(destination), {}}};
}

}  // namespace test_support
