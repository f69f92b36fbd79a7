// GueSocket: the UDP socket of a GUE on-ramp.
#pragma once

#include "base/endpoint.h"
#include "base/error.h"
#include "base/fd.h"

namespace gateway {

struct GueSocket {
  base::Fd fd;            // non-blocking
  base::Endpoint listen;  // as bound: with the port that the kernel chose
  bool is_wildcard = false;
  bool offload = true;  // UDP_SEGMENT may be used

  /// Binds to `listen`. With UDP_GRO where the kernel has it, so that one receive may bring many
  /// datagrams, unless `offload` is false; with the address that a datagram was sent to, when it
  /// listens on all of them.
  ///
  /// Fails with one sentence, the cure in it.
  static base::SysResult<GueSocket> open(const base::Endpoint& listen, bool offload = true);
};

}  // namespace gateway
