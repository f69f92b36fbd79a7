#include "gateway/packet_path.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "flows/segmenter.h"
#include "gateway/offramp/fitting.h"
#include "gateway/policy/flow_plan.h"
#include "gateway/upgrade/mss.h"
#include "nat/rewrite.h"
#include "nat/ttl.h"

namespace gateway {

using base::IpAddress;
using flows::Action;
using flows::Drop;
using flows::EndReason;
using flows::Flow;
using flows::FlowIndex;
using flows::FlowState;
using flows::Packet;
using flows::Protocol;
using flows::Side;
using flows::Unreachable;
using flows::WireCount;

namespace {

void add(WireCount& total, const WireCount& more) {
  total.packets += more.packets;
  total.bytes += more.bytes;
}

bool is_tcp(const Packet& packet) {
  return packet.protocol == Protocol::kTcp;
}

// Whether no socket of ours is in between. A datagram that is upgraded and downgraded again is what
// it was, one hop later.
bool stays_packets(const Flow& flow) {
  return flow.action == Action::kForward ||
         (flows::is_upgraded_then_downgraded(flow) && flow.key.protocol != Protocol::kTcp);
}

// Of a flow of datagrams that got no socket.
EndReason reason_of_lack(Drop lack) {
  if (lack == Drop::kNoUdpSocket) {
    return EndReason::kNoUdpSocket;
  }
  return lack == Drop::kPingForbidden ? EndReason::kPingForbidden : EndReason::kNoDescriptor;
}

}  // namespace

void PacketPath::packets_from(Tunnel& tunnel, std::span<RawPacket> packets) {
  for (const RawPacket& raw : packets) {
    from_tunnel(tunnel, raw);
  }
  sandbox_.flush();
}

void PacketPath::packets_from_sandbox(std::span<RawPacket> packets) {
  for (const RawPacket& raw : packets) {
    from_sandbox(raw);
  }
}

void PacketPath::from_tunnel(Tunnel& tunnel, const RawPacket& raw) {
  const auto packet = flows::parse(raw.bytes, raw.vnet);
  if (!packet) {
    dropped(tunnel, packet.error());
    return;
  }
  const WireCount wire = flows::wire_count(*packet, raw.vnet);
  add(tunnel.up, wire);
  add(up_, wire);
  if (flows::is_martian_source(packet->source.address)) {
    dropped(tunnel, Drop::kMartianSource);
  } else if (!tunnel.may_send_from(packet->source.address)) {
    dropped(tunnel, Drop::kSourceNotAllowed);
  } else if (packet->is_fragment) {
    fragments_.from_tunnel(tunnel, raw, *packet, loop_.now());
    sandbox_.flush();  // what has been put together is gone with the next fragment
  } else {
    take(tunnel, raw, *packet, wire);
  }
}

void PacketPath::take(Tunnel& tunnel, const RawPacket& raw, const Packet& packet,
                      const WireCount& wire) {
  if (is_for_gateway(tunnel, raw, packet)) {
    return;
  }
  if (flows::is_icmp_error(packet)) {
    icmp_error_from(tunnel, raw, packet);
  } else if (const auto match = flow_of(tunnel, packet)) {
    known(tunnel, raw, packet, *match, wire);
  } else {
    fresh(tunnel, raw, packet, wire);
  }
}

void PacketPath::known(Tunnel& tunnel, const RawPacket& raw, const Packet& packet,
                       flows::FlowMatch match, const WireCount& wire) {
  const Flow& flow = flows_[match.index];
  if (!flows_.hears(match.index, match.sender, tunnel)) {
    dropped(tunnel, Drop::kFlowOfAnotherTunnel);
    return;
  }
  if (is_tcp(packet) && packet.tcp_flags.opens() && flows::is_over(flow)) {
    using enum TcpUpgrade::LastConnection;
    const auto last = upgrades_->tcp.last_connection(match.index);
    if (last == kGone) {
      // The client uses the port again. Its old binding rests; the new flow gets another.
      flows_.end(match.index, EndReason::kClosed);
      fresh(tunnel, raw, packet, wire);
      return;
    }
    if (last == kDelivers) {
      dropped(tunnel, Drop::kHeldSyn);  // it comes again
      return;
    }
  }
  if (flow.end_reason == EndReason::kKilled && flow.binding == flows::kNone32) {
    stop_killed(tunnel, raw, packet, match, wire);
    return;
  }
  if (match.sender == Side::kResponder && flows::is_downgraded(flow) && is_tcp(packet)) {
    if (flow.action == Action::kDowngrade && !show(match.index, match.sender, tunnel, raw, wire)) {
      return;
    }
    from_responder(match.index, raw, packet, wire);
    return;
  }
  if (!show(match.index, match.sender, tunnel, raw, wire)) {
    return;
  }
  flows_.touch(match.index, match.sender, wire, packet, loop_.now());
  if (match.sender == Side::kInitiator) {
    act(match.index, tunnel, raw, packet);
  } else if (flow.action == Action::kDowngrade) {
    if (is_within_bounds(match.index, tunnel, raw, packet)) {
      upgrades_->udp_publisher.answer(match.index, raw, packet);
    }
  } else {
    forward(match.index, tunnel, raw, packet, flow.tunnel);
  }
}

// The server's side of a downgraded connection. It is counted where it is the only side that a
// tunnel carries.
void PacketPath::from_responder(FlowIndex index, const RawPacket& raw, const Packet& packet,
                                const WireCount& wire) {
  if (flows_[index].action == Action::kDowngrade) {
    flows_.touch(index, Side::kResponder, wire, packet, loop_.now());
  } else {
    flows_.keep_alive(index, loop_.now());
  }
  upgrades_->tcp_downgrade.to_sandbox(index, raw, packet);
  sandbox_.write(raw, packet);
}

void PacketPath::to_responder(FlowIndex index, Tunnel& tunnel, const RawPacket& raw,
                              const Packet& packet) {
  upgrades_->tcp_downgrade.to_responder(index, raw, packet);
  set_dscp(flows_[index], raw);
  if (flows_[index].action != Action::kDowngrade) {
    send_down(tunnel, raw, packet);
    flows_.keep_alive(index, loop_.now());
    return;
  }
  const WireCount carried = send_shown(index, Side::kInitiator, tunnel, raw,
                                       [&] { return send_down(tunnel, raw, packet); });
  flows_.touch(index, Side::kInitiator, carried, packet, loop_.now());
}

// No kernel of ours can reset a flow without a connection of its own: each side is told as it
// sends.
void PacketPath::stop_killed(Tunnel& tunnel, const RawPacket& raw, const Packet& packet,
                             flows::FlowMatch match, const WireCount& wire) {
  dropped(tunnel, Drop::kFlowKilled);
  const bool by_initiator = match.sender == Side::kInitiator;
  // A downgraded flow's wire is the responder's.
  if (by_initiator || flows_[match.index].action == Action::kDowngrade) {
    if (!show(match.index, match.sender, tunnel, raw, wire)) {
      return;
    }
    flows_.touch(match.index, match.sender, wire, packet, loop_.now());
  }
  if (by_initiator) {
    answer_shown(match.index, [&] { return refuse(tunnel, raw, packet); });
  } else {
    refuse(tunnel, raw, packet);
  }
}

void PacketPath::act(FlowIndex index, Tunnel& tunnel, const RawPacket& raw, const Packet& packet) {
  switch (const Flow& flow = flows_[index]; flow.action) {
    case Action::kUpgrade:
      if (stays_packets(flow)) {
        forward(index, tunnel, raw, packet, flow.peer_tunnel);
      } else if (!is_tcp(packet)) {
        upgrade_datagram(index, tunnel, raw, packet);
      } else if (upgrades_->tcp.admits(index, raw, packet)) {
        upgrades_->tcp.to_outside(index, raw, packet);
        sandbox_.write(raw, packet);
      }
      return;
    case Action::kForward:
      forward(index, tunnel, raw, packet, flow.peer_tunnel);
      return;
    case Action::kReject:
      dropped(tunnel, Drop::kRejectedByRule);
      answer_shown(index, [&] { return refuse(tunnel, raw, packet); });
      return;
    case Action::kDrop:
      dropped(tunnel, Drop::kDroppedByRule);
      return;
    case Action::kDowngrade:  // its initiator is behind no tunnel
      return;
  }
}

void PacketPath::upgrade_datagram(FlowIndex index, Tunnel& tunnel, const RawPacket& raw,
                                  const Packet& packet) {
  if (!is_upgradable(packet)) {
    dropped(tunnel, Drop::kUnsupportedProtocol);
  } else if (packet.ttl <= 1) {
    ttl_exceeded(tunnel, raw, packet);
  } else if (is_within_bounds(index, tunnel, raw, packet)) {
    upgrades_->datagrams(index).send(index, raw, packet);
  }
}

void PacketPath::fresh(Tunnel& tunnel, const RawPacket& raw, const Packet& packet,
                       const WireCount& wire) {
  if (!may_begin_flow(packet)) {
    dropped(tunnel, Drop::kNoFlow);
    if (is_tcp(packet)) {
      answer(tunnel, raw.bytes, packet, std::nullopt);
    }
    return;
  }
  // What waits is parsed again from its bytes alone. A fragment, and what was put together of some,
  // have come with more than that.
  const bool may_wait = !packet.is_fragment && wire == flows::wire_count(packet, raw.vnet);
  if (opens_waiting_) {
    begin(tunnel, raw, packet, wire);
  } else if (openings_.may_open()) {
    const TimeShare::Spending opening(openings_.time());
    begin(tunnel, raw, packet, wire);
  } else if (!may_wait || !openings_.wait(tunnel, raw)) {
    dropped(tunnel, Drop::kOverloaded);
  }
}

// A repetition of its first packet may have waited with it, and finds the flow open.
void PacketPath::open_waiting(const Arrivals::Arrival& arrival) {
  const auto packet = flows::parse(arrival.packet.bytes, arrival.packet.vnet.verified());
  CHECK(packet.has_value() && !packet->is_fragment);  // it was parsed when it came in
  Tunnel& tunnel = arrival.tunnel;
  opens_waiting_ = true;
  const WireCount wire = flows::wire_count(*packet, arrival.packet.vnet);
  const base::Port outer_port = std::exchange(tunnel.outer_port, arrival.outer_port);
  if (const auto match = flow_of(tunnel, *packet)) {
    known(tunnel, arrival.packet, *packet, *match, wire);
  } else {
    begin(tunnel, arrival.packet, *packet, wire);
  }
  tunnel.outer_port = outer_port;
  opens_waiting_ = false;
  sandbox_.flush();  // the packet's memory is the next one's
}

void PacketPath::forget(Tunnel& tunnel) {
  for (std::uint32_t left = openings_.forget(tunnel); left > 0; --left) {
    dropped(tunnel, Drop::kOverloaded);
  }
}

void PacketPath::begin(Tunnel& tunnel, const RawPacket& raw, const Packet& packet,
                       const WireCount& wire) {
  tunnel.new_flows.count(loop_.now());
  if (const auto limit = rate_met(tunnel)) {
    dropped(tunnel, *limit);  // as if it were lost: who is in no hurry gets through
    return;
  }
  const Decision decision = hooks_.decide(
      facts_of(packet, tunnel.tenant(), &tunnel, flows_, loop_.now()), tunnel, &packet);
  // Rules were asked before, whether it is to be put together (wants_whole); by now they may say
  // something else, as rates and flows do that were there a moment ago.
  if (packet.is_fragment && decision.action == Action::kUpgrade) {
    dropped(tunnel, Drop::kFragment);
    return;
  }
  const FlowStart start{.packet = packet,
                        .tenant = tunnel.tenant(),
                        .tunnel = tunnel.id(),
                        .peer = tunnel.tenant().routes.find(packet.destination.address)};
  FlowPlan plan = plan_flow(decision, start, addresses_);
  if (plan.refusal && makes_room(tunnel, *plan.refusal)) {
    plan = plan_flow(decision, start, addresses_);
  }
  if (plan.refusal) {
    dropped(tunnel, *plan.refusal);
    if (plan.answer) {
      answer(tunnel, raw.bytes, packet, plan.answer);
    }
    return;
  }
  if (packet.ttl <= 1 &&
      (decision.action == Action::kUpgrade || decision.action == Action::kForward)) {
    ttl_exceeded(tunnel, raw, packet);
    return;
  }
  const FlowKeeper::Opening opening{.tunnel = tunnel,
                                    .action = decision.action,
                                    .rule = decision.rule,
                                    .peer_tunnel = plan.peer_tunnel,
                                    .upstream = plan.upstream,
                                    .state = plan.state,
                                    .name = decision.name,
                                    .mark = decision.mark,
                                    .dscp = decision.dscp,
                                    .logged_rule = logged_rule(decision)};
  open(tunnel, raw, packet, opening, wire);
}

std::optional<Drop> PacketPath::rate_met(Tunnel& tunnel) {
  Tenant& tenant = tunnel.tenant();
  if (!tunnel.budget.take(tenant.settings.max_new_flows_of_tunnel, loop_.now())) {
    return Drop::kTunnelFlowRate;
  }
  if (!tenant.new_flows.take(tenant.settings.max_new_flows, loop_.now())) {
    return Drop::kTenantFlowRate;
  }
  return std::nullopt;
}

// Where a new flow of `tunnel` has met `limit`: ends one that has had no answer, if there is one
// that may.
bool PacketPath::makes_room(Tunnel& tunnel, Drop limit) {
  const auto flow = flows_.giving_way(limit, tunnel, loop_.now());
  if (!flow) {
    return false;
  }
  dropped(*flow, Drop::kGaveWay);
  ++flows_.tenant_of(*flow).gave_way_total;
  flows_.end(*flow, EndReason::kEvicted);
  return true;
}

void PacketPath::open(Tunnel& tunnel, const RawPacket& raw, const Packet& packet,
                      const FlowKeeper::Opening& opening, const WireCount& wire) {
  const flows::FlowKey key = flows::key_of(tunnel.tenant().settings.id, packet);
  auto index = flows_.open(key, opening, loop_.now());
  if (!index && makes_room(tunnel, index.error())) {
    index = flows_.open(key, opening, loop_.now());
  }
  if (!index) {
    dropped(tunnel, index.error());
    if (index.error() != Drop::kHalfOpenLimit) {  // which is soon over: the client tries again
      refuse(tunnel, raw, packet);
    }
    return;
  }
  if (!show(*index, Side::kInitiator, tunnel, raw, wire)) {
    flows_.end(*index, EndReason::kBlocked);
    return;
  }
  flows_.touch(*index, Side::kInitiator, wire, packet, loop_.now());
  if (opening.action == Action::kUpgrade && is_tcp(packet)) {
    upgrades_->tcp.open(*index, raw, packet);
    return;
  }
  if (opening.action == Action::kUpgrade && opening.peer_tunnel == flows::kNone32 &&
      !open_datagrams(*index, tunnel, raw, packet)) {
    return;
  }
  act(*index, tunnel, raw, packet);
  if (flows::is_denied(flows_[*index])) {
    const bool rejected = flows_[*index].action == Action::kReject;
    flows_.retire(*index, rejected ? EndReason::kRejected : EndReason::kDropped, loop_.now());
  }
}

bool PacketPath::open_datagrams(FlowIndex index, Tunnel& tunnel, const RawPacket& raw,
                                const Packet& packet) {
  hooks::DatagramRuling ruling = packet.protocol == Protocol::kUdp ? hooks_.egress_datagrams(index)
                                                                   : hooks::DatagramRuling::send();
  if (ruling.kind == hooks::DatagramRuling::Kind::kRefuse) {
    // From now on as one that the rules reject, so that nobody is asked again with each datagram.
    flows_[index].action = Action::kReject;
    flows_[index].rule = flows::kHookRule;
    flows_[index].end_reason = EndReason::kBlocked;
    return true;
  }
  if (ruling.kind == hooks::DatagramRuling::Kind::kSendTo) {
    flows_[index].upstream = ruling.to;
  }
  const auto lack = upgrades_->datagrams(index).open(index, std::move(ruling.socket));
  if (lack) {
    dropped(tunnel, *lack);
    answer_shown(index,
                 [&] { return answer(tunnel, raw.bytes, packet, Unreachable::kAdminProhibited); });
    flows_.end(index, reason_of_lack(*lack));
  }
  return !lack;
}

void PacketPath::forward(FlowIndex index, Tunnel& from, const RawPacket& raw, const Packet& packet,
                         std::uint32_t to) {
  Tunnel* target = flows_.tunnel(to);
  if (target == nullptr) {
    dropped(index, Drop::kNoRoute);
    return;
  }
  if (packet.ttl <= 1) {
    ttl_exceeded(from, raw, packet);
    return;
  }
  if (!fits(*target, raw, packet) && !may_be_cut(packet)) {
    dropped(from, Drop::kTooBig);
    answer_icmp(from, raw.bytes, packet, flows::too_big(packet.is_v4(), target->info().mtu_bytes),
                addresses_.of_family(packet.source.address));
    return;
  }
  if (!is_within_bounds(index, from, raw, packet)) {
    return;
  }
  nat::clamp_mss(
      raw.bytes, packet, raw.vnet,
      mss_for_mtu(std::min(from.info().mtu_bytes, target->info().mtu_bytes), packet.is_v4()));
  nat::decrement_ttl(raw.bytes, packet);
  set_dscp(flows_[index], raw);
  send_fitting(*target, raw, packet);
}

WireCount PacketPath::send_down(Tunnel& tunnel, const RawPacket& raw, const Packet& packet) {
  const WireCount carried = tunnel.send(raw, packet);
  count_down(tunnel, carried);
  return carried;
}

WireCount PacketPath::send_fitting(Tunnel& tunnel, const RawPacket& raw, const Packet& packet) {
  if (fits(tunnel, raw, packet)) {
    return send_down(tunnel, raw, packet);
  }
  const WireCount carried = send_in_fragments(tunnel, raw, packet, ++next_fragment_id_);
  count_down(tunnel, carried);
  return carried;
}

void PacketPath::count_down(Tunnel& tunnel, const WireCount& carried) {
  add(tunnel.down, carried);
  add(down_, carried);
}

// About a packet that went to `tunnel`: its sender is told.
void PacketPath::icmp_error_from(Tunnel& tunnel, const RawPacket& raw, const Packet& packet) {
  const auto quote = nat::read_quote(raw.bytes, packet);
  const auto match = quote ? flows_.find({.source = quote->source,
                                          .destination = quote->destination,
                                          .tenant = tunnel.tenant().settings.id,
                                          .protocol = quote->protocol,
                                          .icmp_type = quote->icmp_type})
                           : std::nullopt;
  if (!match || packet.destination.address != quote->source.address) {
    dropped(tunnel, Drop::kUnrelatedIcmpError);
    return;
  }
  const Flow& flow = flows_[match->index];
  const bool by_initiator = match->sender == Side::kInitiator;
  const Side receiver = by_initiator ? Side::kResponder : Side::kInitiator;
  const bool is_connection = flow.binding != flows::kNone32;
  if (!flows_.may_speak_for(flows::tunnel_of(flow, receiver), tunnel)) {
    dropped(tunnel, Drop::kFlowOfAnotherTunnel);
  } else if (flows::is_stopped(flow)) {
    dropped(tunnel, Drop::kFlowKilled);
  } else if (stays_packets(flow)) {
    forward(match->index, tunnel, raw, packet, by_initiator ? flow.tunnel : flow.peer_tunnel);
  } else if (by_initiator && is_connection) {
    upgrades_->tcp_downgrade.error_to_sandbox(match->index, raw, packet, *quote);
    sandbox_.write_now({{}, raw.bytes});
  } else if (is_connection && flow.state != FlowState::kDialing) {
    upgrades_->tcp.error_to_outside(match->index, raw, packet, *quote);
    sandbox_.write_now({{}, raw.bytes});
  } else {
    dropped(tunnel, Drop::kUnrelatedIcmpError);  // a socket has no way to tell its peer
  }
}

IpAddress PacketPath::inside_of(const IpAddress& remote) const {
  return addresses_.inside_of(remote);
}

std::optional<IpAddress> PacketPath::stand_in_of(const base::Endpoint& remote) const {
  return addresses_.stand_in_of(remote);
}

std::string_view PacketPath::logged_rule(const Decision& decision) const {
  return decision.log ? rulings_.policy().rule_name(decision.rule) : std::string_view();
}

void PacketPath::dropped(FlowIndex flow, Drop reason) {
  drops_.count(reason);
  if (Tunnel* tunnel = flows_.tunnel(flows_[flow].tunnel)) {
    ++tunnel->dropped_packets;
  }
}

void PacketPath::dropped(Tunnel& tunnel, Drop reason) {
  drops_.count(reason);
  ++tunnel.dropped_packets;
}

}  // namespace gateway
