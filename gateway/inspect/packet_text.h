// PacketText: the first packet of a flow as a person writes it.
//
//     tcp 10.0.0.2:4000 > 192.0.2.1:443          udp [2001:db8::2]:53 > [2001:db8::1]:53
//     icmp 10.0.0.2 > 192.0.2.1                  an echo request, of no particular id
//     icmpv6 fd00::2 > fd00::1 type 133 code 0   icmp 10.0.0.2 > 192.0.2.1 id 7
//     47 10.0.0.2 > 192.0.2.1                    any other protocol, by its number
//
// Pure; fuzzed by tests/fuzz/fuzz_packet_text.cc.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "flows/packet.h"

namespace gateway {

struct PacketTextError {
  std::size_t column = 1;  // from 1; behind the end when something is missing
  std::string what;

  /// "packet, column 5: expected an address, got 'x'"
  [[nodiscard]] std::string to_string() const;
};

/// What a packet with these headers parses to, as far as rules and flows ask: addresses, ports or
/// echo id, protocol, ICMP type; a TCP segment is a SYN.
base::Result<flows::Packet, PacketTextError> parse_packet_text(std::string_view text);

/// In the form above; parse_packet_text() reads it back.
std::string packet_text(const flows::Packet& packet);

}  // namespace gateway
