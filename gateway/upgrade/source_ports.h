// SourcePorts: a source port for each connection to an upstream, found at a bounded cost.
//
// Theory of operation
//
// Connections to one upstream need a port each. connect(2) begins somewhere in
// net.ipv4.ip_local_port_range and looks at one port after the other until it finds one that is
// free (__inet_hash_connect() in net/ipv4/inet_hashtables.c): the more are taken the longer, in the
// end 1 to 5 ms, in which this thread does nothing for anybody else. A tenant that keeps asking for
// such an upstream would stop all others.
//
//     |----- 32768 ... [ 64 ports ] ............ [ 64 ports ] ......... 60999 -----|
//                       first try                  second try: at most kTries
//
// So each socket is told to look in a small window only, at a random place (IP_LOCAL_PORT_RANGE,
// Linux 6.3), and where that is full in a few more. With 99 of 100 ports taken that fails once in
// two hundred times; then it may look everywhere. Where that fails, too, the upstream is exhausted
// for a moment (exhausted_ports.h). An older kernel, and one whose range was changed since we
// began, looks as it always did.
//
// The price: a port may come again sooner than it does in the kernel's own order, which goes
// through them one by one (RFC 6056 3.3.3).
#pragma once

#include <cstdint>

#include "base/endpoint.h"
#include "base/fd.h"
#include "base/siphash.h"
#include "base/time.h"
#include "gateway/config/settings.h"
#include "gateway/upgrade/exhausted_ports.h"

namespace gateway {

/// net.ipv4.ip_local_port_range, which is for IPv6, too; Linux's default where it cannot be read.
[[nodiscard]] PortRange local_port_range();

/// Belongs to one thread.
class SourcePorts {
 public:
  static constexpr std::uint32_t kWindow = 64;  // chosen: looked at within a few microseconds
  static constexpr int kTries =
      8;  // chosen: windows, together 512 ports; one more looks everywhere

  /// `seed` makes windows that nobody can foretell (RFC 6056 3.3.1).
  SourcePorts(PortRange range, base::SipKey seed) : range_(range), seed_(seed) {}

  /// Begins to connect `socket`, which is non-blocking. 0, or the errno why it does not:
  /// EADDRNOTAVAIL means that there is no port, or no address, to connect from.
  [[nodiscard]] int connect(const base::Fd& socket, const base::Endpoint& upstream,
                            base::Instant now);

  /// The window of the next try: within the range, and not wider than kWindow.
  [[nodiscard]] PortRange next_window();

 private:
  PortRange range_;
  base::SipKey seed_;
  std::uint64_t windows_ = 0;  // so many until now
  ExhaustedPorts exhausted_;
};

}  // namespace gateway
