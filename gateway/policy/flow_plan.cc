#include "gateway/policy/flow_plan.h"

#include "flows/icmp_type.h"

namespace gateway {

using flows::Action;
using flows::Drop;
using flows::Protocol;
using flows::Unreachable;

namespace {

// Chosen: of a SYN that is held while its upstream is dialled, eight times what TCP and IPv6 have
// without extension headers. A host may limit these (RFC 8504 5.3), of which a packet could bring
// 16 KiB.
constexpr std::uint32_t kMostSynHeaders = 800;

FlowPlan refused(Drop why, std::optional<Unreachable> answer = std::nullopt) {
  FlowPlan plan;
  plan.refusal = why;
  plan.answer = answer;
  return plan;
}

}  // namespace

bool is_echo_request(const flows::Packet& packet) {
  return packet.is_echo && packet.icmp_type == flows::echo_request_of(packet.protocol);
}

bool may_begin_flow(const flows::Packet& packet) {
  return packet.protocol == Protocol::kTcp ? packet.tcp_flags.opens()
                                           : !flows::question_of(packet.protocol, packet.icmp_type);
}

bool is_upgradable(const flows::Packet& packet) {
  return packet.protocol == Protocol::kTcp || packet.protocol == Protocol::kUdp ||
         is_echo_request(packet);
}

base::Endpoint upstream_of(const Decision& decision, const base::Endpoint& destination,
                           const GatewayAddresses& addresses) {
  if (const auto& redirect = decision.redirect) {
    const bool same_port = redirect->port == base::Port{};
    return {redirect->address, same_port ? destination.port : redirect->port};
  }
  return decision.then_downgrade ? destination : addresses.upstream_of(destination);
}

FlowPlan plan_flow(const Decision& decision, const FlowStart& start,
                   const GatewayAddresses& addresses) {
  const bool tcp = start.packet.protocol == Protocol::kTcp;
  const bool upgraded = decision.action == Action::kUpgrade;
  const bool forwarded = decision.action == Action::kForward;
  const bool to_tunnel = forwarded || decision.then_downgrade;
  const base::Endpoint& destination = start.packet.destination;
  FlowPlan plan;
  if (decision.is_over_limit) {
    return refused(Drop::kRuleLimit);  // as if it were lost: who is in no hurry gets through
  }
  if (decision.action == Action::kReject || decision.action == Action::kDrop) {
    return plan;
  }
  if (!(start.peer && to_tunnel) && !addresses.is_reachable(destination.address)) {
    return refused(Drop::kMartianDestination);
  }
  if (to_tunnel) {
    if (!start.peer || *start.peer == start.tunnel) {
      return refused(Drop::kNoRoute, Unreachable::kHost);
    }
    plan.peer_tunnel = *start.peer;
  }
  if (upgraded) {
    if (!is_upgradable(start.packet)) {
      return refused(Drop::kUnsupportedProtocol, flows::is_icmp(start.packet.protocol)
                                                     ? Unreachable::kAdminProhibited
                                                     : Unreachable::kProtocol);
    }
    if (tcp && start.packet.payload_offset > kMostSynHeaders) {
      return refused(Drop::kTooManyExtensions);
    }
    if (tcp && start.tenant.dials >= start.tenant.settings.max_dials) {
      return refused(Drop::kDialLimit);  // the client tries again, and may have more luck
    }
    if (tcp && start.tenant.connections >= start.tenant.settings.max_connections) {
      return refused(Drop::kConnectionLimit, Unreachable::kAdminProhibited);
    }
    plan.upstream = upstream_of(decision, destination, addresses);
  }
  if (tcp) {
    plan.state = forwarded ? flows::FlowState::kSynReceived : flows::FlowState::kDialing;
  }
  return plan;
}

}  // namespace gateway
