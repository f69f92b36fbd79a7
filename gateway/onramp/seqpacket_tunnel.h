// SeqpacketTunnel: a peer on an AF_UNIX SOCK_SEQPACKET connection; one datagram, one packet.
//
// Theory of operation
//
// Packets are received in batches (recvmmsg) into the shard's arena, when it is the tunnel's turn:
// what one tenant sends leaves the others their share. What goes to the peer is cut
// to its MTU here when it takes no offload. A peer that reads too slowly fills the socket (its
// limit is the sender's buffer), then a queue of kQueueBytes, then loses packets: a router drops,
// it does not block. The queue holds copies, and memory only while it is in use.
#pragma once

#include <deque>
#include <vector>

#include "base/fd.h"
#include "gateway/loop/event_loop.h"
#include "gateway/loop/fair_turns.h"
#include "gateway/onramp/packet_arena.h"
#include "gateway/onramp/tunnel.h"

namespace gateway {

class SeqpacketTunnel final : public Tunnel, private EventLoop::Handler, private FairTurns::Source {
 public:
  /// `socket` is non-blocking and its context has been read. start() sends `reply` first, unless it
  /// is empty. All references outlive the tunnel.
  SeqpacketTunnel(TunnelInfo info, Tenant& tenant, base::Fd socket, EventLoop& loop,
                  FairTurns& turns, PacketArena& arena, Sink& sink, std::string reply);
  ~SeqpacketTunnel() override;

  base::SysResult<void> start();
  flows::WireCount send(const RawPacket& packet, const flows::Packet& parsed) override;

 private:
  static constexpr std::size_t kQueueBytes = 1 << 20;  // chosen: 2 ms at 4 Gbit/s

  void on_ready(std::uint32_t events) override;
  Served serve() override;
  flows::WireCount send_segments(const RawPacket& packet, const flows::Packet& parsed);
  // Sends or queues them in order; returns how many.
  std::size_t send_datagrams(std::span<const std::span<const std::byte>> datagrams);
  bool queue(std::span<const std::byte> datagram);
  void drain_queue();
  flows::WireCount drop(flows::Drop reason, std::size_t packets = 1);

  base::Fd socket_;
  std::string reply_;
  EventLoop& loop_;
  FairTurns& turns_;
  PacketArena& arena_;
  Sink& sink_;
  std::deque<std::vector<std::byte>> queue_;
  std::size_t queued_bytes_ = 0;
  bool hung_up_ = false;
};

}  // namespace gateway
