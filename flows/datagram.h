// Datagrams that the gateway itself writes: the headers in front of what a socket received.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/endpoint.h"
#include "flows/ip_header.h"
#include "flows/vnet_header.h"

namespace flows {

inline constexpr std::size_t kUdpHeaderBytes = 8;
inline constexpr std::size_t kEchoHeaderBytes = 8;

struct Route {
  const base::Endpoint& from;
  const base::Endpoint& to;  // of the same family
  std::uint8_t ttl = kDefaultTtl;
};

/// Writes IP and UDP headers to the front of `packet`, whose payload is there already. The checksum
/// is left partial, which is what the offload header returned says; complete_checksum() or a device
/// finishes it.
VnetHeader write_udp_headers(std::span<std::byte> packet, const Route& route);

/// Writes the IP header in front of an ICMP echo message, request or reply, that is there already,
/// and gives the message the identifier `route.to.port`, its checksum included.
void write_echo_headers(std::span<std::byte> packet, const Route& route);

}  // namespace flows
