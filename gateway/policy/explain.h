// explain: what would become of a packet, asked of the very code that packets meet.
//
// It walks the way of PacketPath without a packet: the tunnel's sources, the flow that is there
// already, the compiled rules, the app, the plan, the limits. Changes nothing: the app is told that
// it is only asked (FlowStart::hypothetical).
#pragma once

#include "flows/packet.h"
#include "gateway/flow/flow_keeper.h"
#include "gateway/gateway_addresses.h"
#include "gateway/inspect/explanation.h"
#include "gateway/onramp/tunnel.h"
#include "gateway/policy/rulings.h"

namespace gateway {

class HookDesk;

struct ExplainAround {
  const Rulings& rulings;
  HookDesk& hooks;
  const FlowKeeper& flows;
  const GatewayAddresses& addresses;
  Tenant& tenant;
  const Tunnel* tunnel = nullptr;  // that the packet comes from; null: one that may send it
  base::Instant now{};
};

Explanation explain(const flows::Packet& packet, const ExplainQuery& query,
                    const ExplainAround& around);

}  // namespace gateway
