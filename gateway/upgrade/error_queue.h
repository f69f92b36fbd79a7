// The error queue of a datagram socket (IP_RECVERR): ICMP errors about what it has sent.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/endpoint.h"
#include "base/fd.h"
#include "flows/reply.h"

namespace gateway {

/// One error. `quote` lies in the buffer that read_error() was given.
struct QueuedError {
  base::Endpoint destination;        // of the datagram that it is about
  std::span<const std::byte> quote;  // what came back of the datagram's payload: often little of it
  // From the network:
  std::optional<flows::IcmpError> icmp;
  std::optional<base::IpAddress> offender;  // who sent it
  // From our own kernel: the datagram is longer than the path's MTU.
  std::optional<std::uint32_t> mtu_bytes;
};

/// The oldest error of `socket`; nothing when there is none (any more).
std::optional<QueuedError> read_error(const base::Fd& socket, std::span<std::byte> buffer);

}  // namespace gateway
