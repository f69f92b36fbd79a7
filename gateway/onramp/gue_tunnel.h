// GueTunnel: one outer address that speaks GUE for one tenant in one form.
//
// A peer that speaks for two tenants, or in two forms, or to two addresses of ours, is as many
// tunnels: answers go back as the packets came.
#pragma once

#include <cstddef>
#include <span>

#include "flows/gue.h"
#include "gateway/flow/flow_keeper.h"
#include "gateway/onramp/gue_sender.h"
#include "gateway/onramp/tunnel.h"

namespace gateway {

/// What tells the tunnels of a GUE on-ramp apart.
struct GueKey {
  base::IpAddress peer;
  base::IpAddress local;  // unspecified when the on-ramp has one address only
  flows::GueForm form;

  friend bool operator==(const GueKey&, const GueKey&) = default;
};

class GueTunnel final : public Tunnel {
 public:
  struct Ports {
    base::Port port{};       // of the peer, where nothing better is known
    bool is_route = false;   // the configuration says so
    bool of_source = false;  // answers go to where each packet came from
  };

  /// All references outlive the tunnel.
  GueTunnel(TunnelInfo info, Tenant& tenant, const GueKey& key, const Ports& ports,
            const FlowKeeper& keeper, GueSender& sender, Sink& sink);

  flows::WireCount send(const RawPacket& packet, const flows::Packet& parsed) override;
  /// Any peer of the tenant: packets need no state, so that a peer may move, or be many.
  [[nodiscard]] bool may_take_over(const Tunnel& owner) const override;

  [[nodiscard]] const GueKey& key() const { return key_; }
  [[nodiscard]] bool is_route() const { return ports_.is_route; }

  base::Instant last_heard{};

 private:
  [[nodiscard]] base::Port port_for(const flows::Packet& parsed);
  flows::WireCount drop(flows::Drop reason);

  GueKey key_;
  Ports ports_;
  GuePath path_;
  const FlowKeeper& keeper_;
  GueSender& sender_;
  Sink& sink_;
};

}  // namespace gateway
