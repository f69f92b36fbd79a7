#include "gateway/onramp/tun_tunnel.h"

#include <unistd.h>

#include <utility>

#include "flows/segmenter.h"
#include "gateway/onramp/tun_reader.h"

namespace gateway {

TunTunnel::TunTunnel(TunnelInfo info, Tenant& tenant, base::Fd tun, EventLoop& loop,
                     PacketArena& arena, Sink& sink)
    : Tunnel(std::move(info), tenant),
      tun_(std::move(tun)),
      loop_(loop),
      arena_(arena),
      sink_(sink) {}

TunTunnel::~TunTunnel() {
  loop_.unwatch(tun_, *this);
}

base::SysResult<void> TunTunnel::start() {
  return loop_.watch(tun_, EPOLLIN, *this);
}

flows::WireCount TunTunnel::send(const RawPacket& packet, const flows::Packet& parsed) {
  const auto wire = packet.to_wire();
  if (::write(tun_.get(), wire.data(), wire.size()) != std::ssize(wire)) {
    sink_.dropped(*this, flows::Drop::kTunnelWriteFailed);
    return {};
  }
  return flows::wire_count(parsed, packet.vnet);
}

void TunTunnel::on_ready(std::uint32_t /*events*/) {
  TunBatch batch;
  int left = kTunBatchesPerTurn;
  do {
    read_tun(tun_, arena_, batch);
    if (batch.count > 0) {
      sink_.packets_from(*this, std::span(batch.packets).first(batch.count));
    }
  } while (batch.more && --left > 0);
  if (batch.closed) {
    sink_.tunnel_closed(*this);
  }
}

}  // namespace gateway
