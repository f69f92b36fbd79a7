// TunTunnel: the on-ramp of `liftgate run`: the TUN device of the sandboxed command itself.
#pragma once

#include "base/fd.h"
#include "gateway/loop/event_loop.h"
#include "gateway/onramp/packet_arena.h"
#include "gateway/onramp/tunnel.h"

namespace gateway {

/// The device has IFF_VNET_HDR and, where `info.offload`, takes and gives super-segments.
class TunTunnel final : public Tunnel, private EventLoop::Handler {
 public:
  /// All references outlive the tunnel.
  TunTunnel(TunnelInfo info, Tenant& tenant, base::Fd tun, EventLoop& loop, PacketArena& arena,
            Sink& sink);
  ~TunTunnel() override;

  base::SysResult<void> start();
  flows::WireCount send(const RawPacket& packet, const flows::Packet& parsed) override;
  [[nodiscard]] bool is_on_this_host() const override { return true; }

 private:
  void on_ready(std::uint32_t events) override;

  base::Fd tun_;
  EventLoop& loop_;
  PacketArena& arena_;
  Sink& sink_;
};

}  // namespace gateway
