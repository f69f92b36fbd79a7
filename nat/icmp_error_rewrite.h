// ICMP errors through the NAT: the error itself and the packet that it quotes get new addresses.
//
//   router -> remote: "too big", about remote:443 -> client:40000     as the tunnel sees it
//   binding -> listener: "too big", about listener -> binding         as the sandbox's kernel does
//
// The quote is the head of a packet that somebody else has seen: at least its IP header and eight
// bytes more, which hold the ports (RFC 792, RFC 4443 2.4 c). Its length fields may say more than
// is there, and its own checksums may be wrong or cut off; they are kept as wrong as they are. The
// error's checksum is written anew. tests/fuzz/fuzz_icmp_error.cc feeds it with anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/endpoint.h"
#include "flows/packet.h"
#include "nat/rewrite.h"

namespace nat {

/// The quoted packet. Ports as in flows::Packet: an ICMP echo has its identifier in both, and a
/// protocol without ports has 0.
struct Quote {
  base::Endpoint source;
  base::Endpoint destination;
  flows::Protocol protocol{};
  std::uint8_t icmp_type = 0;          // of an echo: request or reply
  std::uint32_t ip_offset = 0;         // of its IP header, in the packet that quotes it
  std::uint32_t transport_offset = 0;  // of its transport header; eight bytes of it are there
  bool has_ports = true;
};

/// What the ICMP error `bytes`, whose parse is `packet`, is about. Nothing where that is of another
/// family, has IPv6 extension headers (but that of a first fragment), is a later fragment, or ICMP
/// but no echo.
std::optional<Quote> read_quote(std::span<const std::byte> bytes, const flows::Packet& packet);

/// Rewrites `bytes`, whose parse is `packet` and whose quote is `quote`, in place: the error's own
/// addresses become those of `outer`, and the quoted packet's ends `quoted`. The ports of `outer`
/// are not used, and of `quoted` only the source's when it is an echo. The quote must have ports.
void rewrite_icmp_error(std::span<std::byte> bytes, const flows::Packet& packet, const Quote& quote,
                        const NewEnds& outer, const NewEnds& quoted);

}  // namespace nat
