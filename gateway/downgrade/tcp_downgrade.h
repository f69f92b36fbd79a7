// TcpDowngrade: TCP connections of ours that leave as packets to a tunnel.
//
// Theory of operation
//
//     relay -- pool socket -- kernel inside -- TUN -- this -- the responder's tunnel
//              198.18.0.1:p                 binding      source <-> destination of the flow
//
// The socket is connected to the flow's binding, an address that nobody has: the kernel inside
// routes it to the TUN, and a segment to it names its flow by arithmetic, as it does for upgraded
// flows. There it gets the two ends of the flow, so the responder sees the client's own address and
// port; what it answers gets the binding and the socket's own endpoint back. The near end is the
// sandbox's one address and a port of the kernel's choice, which the binding's note remembers: far
// ends differ, so the same port serves many connections.
//
// The handshake is the kernel's, so what the responder or the network says to the SYN (an RST, an
// ICMP error, nothing) is what connect(2) says, and nothing is answered before.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "flows/packet.h"
#include "gateway/flow/flow_keeper.h"
#include "gateway/onramp/raw_packet.h"
#include "gateway/upgrade/sandbox_link.h"
#include "nat/icmp_error_rewrite.h"
#include "nat/rewrite.h"

namespace gateway {

/// Belongs to the shard's thread.
class TcpDowngrade {
 public:
  TcpDowngrade(FlowKeeper& flows, SandboxLink& sandbox) : flows_(flows), sandbox_(sandbox) {}

  /// A socket that is connecting to the responder of `flow`, or why there is none, as an errno;
  /// EAGAIN: the pool is empty, but more sockets are on their way (SocketPool::Owner).
  base::Result<base::Fd, int> connect(flows::FlowIndex flow);

  /// Rewrites what the kernel inside has sent to the responder's binding.
  void to_responder(flows::FlowIndex flow, const RawPacket& packet, const flows::Packet& parsed);
  /// Rewrites a packet of the responder, so that it may enter the sandbox.
  void to_sandbox(flows::FlowIndex flow, const RawPacket& packet, const flows::Packet& parsed);
  /// The same for an ICMP error about a packet to the responder, whose quote is `quote`.
  void error_to_sandbox(flows::FlowIndex flow, const RawPacket& packet, const flows::Packet& parsed,
                        const nat::Quote& quote);

 private:
  struct Ends {
    base::Endpoint near;  // of the socket
    base::Endpoint far;   // what it is connected to
  };
  [[nodiscard]] Ends ends_of(flows::FlowIndex flow) const;
  void clamp_mss(flows::FlowIndex flow, const RawPacket& packet, const flows::Packet& parsed) const;

  FlowKeeper& flows_;
  SandboxLink& sandbox_;
};

}  // namespace gateway
