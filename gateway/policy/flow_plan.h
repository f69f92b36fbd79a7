// FlowPlan: what follows from a decision for the first packet of a flow. Pure.
//
// The packet path opens the flow as planned, and `flowctl explain` says what it would do.
#pragma once

#include <cstdint>
#include <optional>

#include "flows/drop.h"
#include "flows/flow.h"
#include "flows/packet.h"
#include "flows/reply.h"
#include "gateway/gateway_addresses.h"
#include "gateway/onramp/tenant.h"
#include "gateway/policy/policy.h"

namespace gateway {

struct FlowPlan {
  std::uint32_t peer_tunnel = flows::kNone32;  // where it leaves by
  base::Endpoint upstream;                     // what is dialled; else nothing
  flows::FlowState state = flows::FlowState::kEstablished;
  /// Why no flow is opened; the packet is answered with `answer`, or not at all.
  std::optional<flows::Drop> refusal;
  std::optional<flows::Unreachable> answer;
};

struct FlowStart {
  const flows::Packet& packet;
  const Tenant& tenant;
  std::uint32_t tunnel = flows::kNone32;  // that the packet came from
  std::optional<std::uint32_t> peer;      // the tunnel that claims the destination
};

FlowPlan plan_flow(const Decision& decision, const FlowStart& start,
                   const GatewayAddresses& addresses);

/// What is dialled for an upgraded flow to `destination`.
[[nodiscard]] base::Endpoint upstream_of(const Decision& decision,
                                         const base::Endpoint& destination,
                                         const GatewayAddresses& addresses);

[[nodiscard]] bool is_echo_request(const flows::Packet& packet);
/// Whether a flow may begin with it: a SYN, or of ICMP no answer; of other protocols any packet.
[[nodiscard]] bool may_begin_flow(const flows::Packet& packet);
/// What a flow of it could be upgraded to.
[[nodiscard]] bool is_upgradable(const flows::Packet& packet);

}  // namespace gateway
