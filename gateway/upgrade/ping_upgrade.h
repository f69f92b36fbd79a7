// PingUpgrade: ICMP echo through ping sockets (icmp(7)), which need no privilege where
// net.ipv4.ping_group_range has the gateway's group. How, is in datagram_upgrade.h.
//
// The kernel overwrites the identifier of what it sends with the socket's own, and hands over only
// replies to that; the client's identifier is the port of its flows, and is put back on the way in.
#pragma once

#include "gateway/upgrade/datagram_upgrade.h"

namespace gateway {

/// Belongs to the shard's thread.
class PingUpgrade final : public DatagramUpgrade {
 public:
  PingUpgrade(EventLoop& loop, FlowKeeper& flows, PacketArena& arena, base::SipKey seed,
              Owner& owner)
      : DatagramUpgrade(loop, flows, arena, UdpFilter::kAddressAndPortDependent, seed, owner) {}

 private:
  base::Fd open_socket(bool v4) override;
  flows::Drop refusal_of(int error) override;
  [[nodiscard]] flows::Protocol protocol(bool v4) const override;
  [[nodiscard]] std::span<std::byte> content(const RawPacket& packet,
                                             const flows::Packet& parsed) const override;
  [[nodiscard]] std::size_t headers_bytes(bool v4) const override;
  [[nodiscard]] std::optional<flows::VnetHeader> wrap(std::span<std::byte> packet,
                                                      const flows::Route& route) const override;
  [[nodiscard]] base::Port remote_port(const base::Endpoint& remote,
                                       const base::Endpoint& source) const override;

  bool said_forbidden_ = false;
};

}  // namespace gateway
