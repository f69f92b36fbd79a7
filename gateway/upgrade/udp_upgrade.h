// UdpUpgrade: UDP flows become sockets: headers off on the way out, headers on on the way back.
// How, is in datagram_upgrade.h.
#pragma once

#include "gateway/upgrade/datagram_upgrade.h"

namespace gateway {

/// Belongs to the shard's thread.
class UdpUpgrade final : public DatagramUpgrade {
 public:
  using DatagramUpgrade::DatagramUpgrade;

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
};

}  // namespace gateway
