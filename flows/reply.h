// Replies that the gateway itself writes: the RST and the ICMP errors that refuse a packet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/endpoint.h"
#include "flows/packet.h"

namespace flows {

/// Longest reply built here: an IPv6 header, an ICMPv6 header and the quoted packet up to 1280
/// bytes in all (RFC 4443 2.4 c).
inline constexpr std::size_t kMaxReplyBytes = 1280;

/// Writes the RST that answers `packet` (RFC 9293 3.10.7.1), from its destination to its source.
/// Returns its length; nothing when `packet` is an RST itself, which is never answered, or no whole
/// TCP segment. `out` has room for kMaxReplyBytes, here and below.
std::optional<std::size_t> build_reset(const Packet& packet, std::span<std::byte> out);

/// Why a packet cannot be delivered, in the terms of both families (RFC 792, 1812 5.2.7.1; RFC
/// 4443 3.1).
enum class Unreachable : std::uint8_t {
  kNet,              // v4 code 0, v6 code 0 (no route)
  kHost,             // v4 code 1, v6 code 3 (address unreachable)
  kProtocol,         // v4 code 2; v6: parameter problem code 1, unrecognised next header
  kPort,             // v4 code 3, v6 code 4
  kAdminProhibited,  // v4 code 13, v6 code 1
};

/// The head of an ICMP or ICMPv6 error; which of the two is the packet's matter.
struct IcmpError {
  std::uint8_t type = 0;
  std::uint8_t code = 0;
  std::uint32_t rest = 0;  // of the header: unused, an MTU, or a pointer into the quoted packet

  friend bool operator==(const IcmpError&, const IcmpError&) = default;
};

/// As the family of `packet` says it.
IcmpError unreachable(Unreachable why, const Packet& packet);
/// In transit (RFC 792 type 11 code 0, RFC 4443 3.3).
IcmpError time_exceeded(bool v4);
/// Not all fragments came in time (type 11 code 1, RFC 4443 3.3).
IcmpError reassembly_time_exceeded(bool v4);
/// "Fragmentation needed" (RFC 1191 4) or "packet too big" (RFC 4443 3.2).
IcmpError too_big(bool v4, std::uint32_t mtu_bytes);

/// Whether `packet` is an ICMP message that must never be answered with another: an error, or a
/// redirect.
bool is_icmp_error(const Packet& packet);

/// Writes the ICMP error for `original`, whose parse is `packet`, sent by `from` (an address of the
/// packet's family) to the packet's source. Quotes what the family wants: v4 the whole packet up to
/// 576 bytes in all (RFC 1812 4.3.2.3), v6 up to 1280. Where `original` is only the packet's front,
/// its headers at least, that is all there is to quote.
///
/// Nothing when the packet must not be answered (RFC 1122 3.2.2, RFC 4443 2.4 e): an ICMP error, a
/// fragment other than the first of TCP, UDP or an echo, a multicast or broadcast destination, or a
/// source that is no host.
std::optional<std::size_t> build_icmp_error(std::span<const std::byte> original,
                                            const Packet& packet, const IcmpError& error,
                                            const base::IpAddress& from, std::span<std::byte> out);

/// build_icmp_error() of unreachable().
std::optional<std::size_t> build_unreachable(std::span<const std::byte> original,
                                             const Packet& packet, Unreachable why,
                                             const base::IpAddress& from, std::span<std::byte> out);

}  // namespace flows
