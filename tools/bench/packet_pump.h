// PacketPump: between a client's TUN and a SEQPACKET on-ramp, as a good tunnel client does it, so
// that the gateway is measured and not the client.
//
// Theory of operation
//
// The TUN always has offload: its kernel hands over and takes super-segments of 64 KiB. With an
// on-ramp that takes offload, too, they pass unchanged. Without, what goes up is cut to the MTU
// (as wireguard-go does it with a TUN), what comes down is merged again; the on-ramp carries
// packets of the MTU, a batch of them to each system call.
#pragma once

#include <cstddef>

#include "base/fd.h"

namespace bench {

struct Pumped {
  const base::Fd& tun;     // non-blocking, with offload headers
  const base::Fd& socket;  // blocking
  std::size_t mtu_bytes;
  bool offload;  // of the on-ramp
};

/// Until the end of the TUN.
void pump_up(const Pumped& ends);
/// Until the end of the socket.
void pump_down(const Pumped& ends);

}  // namespace bench
