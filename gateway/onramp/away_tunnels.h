// AwayTunnels: tunnels that have a name, and have closed, while their flows wait for another of the
// same tenant and name.
//
// A back end that restarts, and a device that changes its network, come back under the name that
// they had. Until then an AwayTunnel stands for the one that is gone: the flows find it as they
// found that, and what is sent to it is dropped and counted, as on a link that is down for a
// moment. The kernels at both ends repeat what they miss.
//
// Only tunnels that have said a name are waited for, and only for a moment: who relies on the end
// of flows when a tunnel closes gives it no name, or sets tunnel_away to its least.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/time.h"
#include "gateway/onramp/tunnel.h"

namespace gateway {

class AwayTunnel final : public Tunnel {
 public:
  /// Stands for `gone`: its id, its counters.
  AwayTunnel(const Tunnel& gone, Tenant& tenant, Sink& sink)
      : Tunnel(gone.info(), tenant), sink_(sink) {
    up = gone.up;
    down = gone.down;
    dropped_packets = gone.dropped_packets;
    flows = gone.flows;
    peer_flows = gone.peer_flows;
    waiting = gone.waiting;
  }

  flows::WireCount send(const RawPacket& /*packet*/, const flows::Packet& /*parsed*/) override {
    sink_.dropped(*this, flows::Drop::kTunnelAway);
    return {};
  }

 private:
  Sink& sink_;
};

/// Belongs to the shard's thread.
class AwayTunnels {
 public:
  using Handed = std::unique_ptr<AwayTunnel>;

  /// False: so many are away already that nobody waits for this one.
  bool add(const Tunnel& gone, Tenant& tenant, Tunnel::Sink& sink, base::Instant until) {
    if (tunnels_.size() >= kMost) {
      return false;
    }
    tunnels_[{tenant.settings.id, gone.info().name}] = {
        std::make_unique<AwayTunnel>(gone, tenant, sink), until};
    return true;
  }  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks): the map has it
  [[nodiscard]] AwayTunnel& of(const Tenant& tenant, const std::string& name) {
    return *tunnels_.at({tenant.settings.id, name}).tunnel;
  }
  /// The one that a new tunnel comes back as; it is not away any more. Null when there is none.
  Handed take(const Tenant& tenant, const std::string& name) {
    return take(tunnels_.find({tenant.settings.id, name}));
  }
  /// One that has been away for too long.
  Handed take_late(base::Instant now) {
    return take(std::ranges::find_if(
        tunnels_, [now](const auto& entry) { return entry.second.until <= now; }));
  }

 private:
  static constexpr std::size_t kMost = 4096;  // chosen

  struct Away {
    std::unique_ptr<AwayTunnel> tunnel;
    base::Instant until;
  };
  using Map = std::map<std::pair<std::uint32_t, std::string>, Away>;  // by tenant and name

  Handed take(Map::iterator found) {
    if (found == tunnels_.end()) {
      return nullptr;
    }
    Handed tunnel = std::move(found->second.tunnel);
    tunnels_.erase(found);
    return tunnel;
  }

  Map tunnels_;
};

}  // namespace gateway
