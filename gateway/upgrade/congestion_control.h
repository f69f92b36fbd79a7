// CongestionControl: which algorithm sends towards clients.
//
// Theory of operation
//
// A new network namespace has the machine's net.ipv4.tcp_congestion_control. Where that is BBR, the
// kernel inside paces what it sends to clients: for each 64 KB or so it waits for a timer, and it
// keeps no more in flight than two bandwidth-delay products, which towards a client on the same
// host is next to nothing. There is nothing to be won from it, either: no queue but our own lies on
// that way, and nothing is lost on it. A bulk download through `run` went at half the rate.
//
// So our namespaces get an algorithm that does not pace, and the kernel's handshake tells who is
// far: such a connection gets the host's choice, before it has sent anything.
//
//     SYN-ACK ... ACK took   < 1 ms: cubic or reno     >= 1 ms: as the host has it (bbr)
//
// CUBIC where the kernel lets unprivileged processes have it, else Reno, which anybody may have; at
// such a round-trip time they are the same (RFC 9438 section 4.3). A host whose own algorithm does
// not pace keeps it for all.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "netns/sandbox_config.h"

namespace gateway {

/// Any thread; nothing changes once it is made.
class CongestionControl {
 public:
  /// Chosen: on a network of one site at most. Whoever is slower than that for once, because the
  /// machine is busy, is treated as everybody was before.
  static constexpr std::uint32_t kNearbyUs = 1000;

  /// `host` is net.ipv4.tcp_congestion_control, `allowed` tcp_allowed_congestion_control: names
  /// with spaces between. The host's choice is for all with `pace_nearby`.
  CongestionControl(std::string_view host, std::string_view allowed, bool pace_nearby);
  /// Of the network namespace that we are in.
  static CongestionControl of_host(bool pace_nearby);

  /// For a namespace in which connections with clients end or begin.
  void add_to(netns::SandboxConfig& config) const;

  /// `socket` is connected, through such a namespace, to somebody who may be anywhere. What the
  /// kernel refuses to measure or to set stays as it is.
  void choose_for(const base::Fd& socket) const;

  /// Empty where the host's choice is for all.
  [[nodiscard]] const std::string& nearby() const { return nearby_; }

 private:
  std::string far_;
  std::string nearby_;
};

}  // namespace gateway
