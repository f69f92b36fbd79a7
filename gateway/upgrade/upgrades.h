// Upgrades: what serves a flow: its protocol decides, and whether it is upgraded or downgraded.
#pragma once

#include "gateway/downgrade/udp_publisher.h"
#include "gateway/flow/flow_keeper.h"
#include "gateway/upgrade/ping_upgrade.h"
#include "gateway/upgrade/tcp_upgrade.h"
#include "gateway/upgrade/udp_upgrade.h"

namespace gateway {

/// Belongs to the shard's thread. What it refers to outlives it.
class Upgrades final : public FlowKeeper::Servant {
 public:
  Upgrades(const FlowKeeper& flows, TcpUpgrade& of_tcp, TcpDowngrade& to_tcp, UdpUpgrade& of_udp,
           PingUpgrade& of_ping, UdpPublisher& published)
      : tcp(of_tcp),
        tcp_downgrade(to_tcp),
        udp(of_udp),
        ping(of_ping),
        udp_publisher(published),
        flows_(flows) {}

  void detach(flows::FlowIndex flow) override {
    if (protocol_of(flow) == flows::Protocol::kTcp) {
      tcp.detach(flow);
    } else if (flows_.table()[flow].action == flows::Action::kDowngrade) {
      udp_publisher.detach(flow);
    } else {
      datagrams(flow).detach(flow);
    }
  }

  /// For a flow of any protocol but TCP.
  [[nodiscard]] DatagramUpgrade& datagrams(flows::FlowIndex flow) {
    return protocol_of(flow) == flows::Protocol::kUdp ? static_cast<DatagramUpgrade&>(udp) : ping;
  }

  TcpUpgrade& tcp;
  TcpDowngrade& tcp_downgrade;
  UdpUpgrade& udp;
  PingUpgrade& ping;
  UdpPublisher& udp_publisher;

 private:
  [[nodiscard]] flows::Protocol protocol_of(flows::FlowIndex flow) const {
    return flows_.table()[flow].key.protocol;
  }

  const FlowKeeper& flows_;
};

}  // namespace gateway
