// GueSocket: the UDP socket of a GUE on-ramp.
#pragma once

#include <linux/filter.h>

#include <cstddef>
#include <vector>

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
  /// So many sockets on one port (SO_REUSEPORT), which nobody else has. Which of them a datagram is
  /// for, `steering` says, where the kernel takes it, else a hash of the outer addresses and ports.
  static base::SysResult<std::vector<GueSocket>> open_group(const base::Endpoint& listen,
                                                            bool offload, std::size_t count,
                                                            std::vector<sock_filter> steering);

 private:
  static base::SysResult<GueSocket> open_one(const base::Endpoint& listen, bool offload,
                                             bool shares_port);
};

}  // namespace gateway
