#include "gateway/packet_path.h"

#include <algorithm>
#include <array>

#include "flows/dns_answer.h"
#include "flows/dns_stream.h"
#include "flows/first_fragment.h"
#include "flows/segmenter.h"
#include "gateway/offramp/fitting.h"
#include "gateway/policy/flow_plan.h"
#include "gateway/upgrade/mss.h"
#include "nat/echo.h"
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
  if (is_tcp(packet) && packet.tcp_flags.opens() && flows::is_over(flow) &&
      !upgrades_->tcp.survives(match.index)) {
    // The client uses the port again. Its old binding rests; the new flow gets another.
    flows_.end(match.index, EndReason::kClosed);
    fresh(tunnel, raw, packet, wire);
    return;
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
  if (is_tcp(packet) && !packet.tcp_flags.opens()) {
    dropped(tunnel, Drop::kNoFlow);
    answer(tunnel, raw, packet, std::nullopt);
    return;
  }
  tunnel.new_flows.count(loop_.now());
  if (const auto limit = rate_met(tunnel)) {
    dropped(tunnel, *limit);  // as if it were lost: who is in no hurry gets through
    return;
  }
  const Decision decision =
      decide(tunnel, facts_of(packet, tunnel.tenant(), &tunnel, flows_, loop_.now()), &packet);
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
      answer(tunnel, raw, packet, plan.answer);
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

Decision PacketPath::decide(Tunnel& tunnel, const FlowFacts& facts, const Packet* packet) {
  const Decision ruled = rulings_.decide(facts);
  return hooks_ == nullptr ? ruled : hooks_->decide(ruled, facts, tunnel, packet);
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
  if (opening.action == Action::kUpgrade && opening.peer_tunnel == flows::kNone32) {
    if (const auto lack = upgrades_->datagrams(*index).open(*index)) {
      dropped(tunnel, *lack);
      answer_shown(*index,
                   [&] { return answer(tunnel, raw, packet, Unreachable::kAdminProhibited); });
      flows_.end(*index, reason_of_lack(*lack));
      return;
    }
  }
  act(*index, tunnel, raw, packet);
  if (flows::is_denied(flows_[*index])) {
    const bool rejected = flows_[*index].action == Action::kReject;
    flows_.retire(*index, rejected ? EndReason::kRejected : EndReason::kDropped, loop_.now());
  }
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
  send_fitting(*target, raw, packet);
}

void PacketPath::from_sandbox(const RawPacket& raw) {
  const auto packet = flows::parse(raw.bytes, raw.vnet.verified());  // our own kernel summed it
  if (!packet) {
    dropped(packet.error());
    return;
  }
  const auto binding = flows_.bindings().find(packet->destination);
  if (!binding && packet->tcp_flags.rst()) {
    return;  // the last word of a socket that we have closed, to a tunnel that has gone: no loss
  }
  if (!binding) {
    dropped(Drop::kNoBinding);
    // A connection that outlived its flow: the kernel inside is told to forget it.
    std::array<std::byte, RawPacket::kHeadroomBytes + flows::kMaxReplyBytes> buffer;
    const auto room = std::span(buffer).subspan(RawPacket::kHeadroomBytes);
    if (is_tcp(*packet)) {
      if (const auto length = flows::build_reset(*packet, room)) {
        sandbox_.write_now({{}, room.first(*length)});
      }
    }
    return;
  }
  const FlowIndex index = flows_.bindings().flow(*binding);
  const Flow& flow = flows_[index];
  const flows::FlowKey& key = flow.key;
  const bool is_responders =
      flows::is_downgraded(flow) && flows_.responder_binding(index) == *binding;
  Tunnel* tunnel =
      flows_.tunnel(flows::tunnel_of(flow, is_responders ? Side::kResponder : Side::kInitiator));
  if (tunnel == nullptr || packet->is_v4() != key.source.address.is_v4() || !is_tcp(*packet)) {
    dropped(Drop::kNoBinding);
    return;
  }
  if (!fits(*tunnel, raw, *packet)) {
    too_big_from_sandbox(*tunnel, raw, *packet);
    return;
  }
  if (is_responders) {
    to_responder(index, *tunnel, raw, *packet);
    return;
  }
  if (packet->tcp_flags.syn()) {
    nat::clamp_mss(raw.bytes, *packet, raw.vnet,
                   mss_for_mtu(tunnel->info().mtu_bytes, packet->is_v4()));
  }
  learn_names(index, raw, *packet);
  nat::rewrite(raw.bytes, *packet, raw.vnet,
               {.source = key.destination, .destination = key.source});
  const WireCount carried = send_shown(index, Side::kResponder, *tunnel, raw,
                                       [&] { return send_down(*tunnel, raw, *packet); });
  flows_.touch(index, Side::kResponder, carried, *packet, loop_.now());
}

// The MSS fits the tunnel that the SYN came from; another of the same name, with a smaller MTU, may
// have taken the flow over.
void PacketPath::too_big_from_sandbox(Tunnel& tunnel, const RawPacket& raw, const Packet& packet) {
  dropped(tunnel, Drop::kTooBig);
  std::array<std::byte, RawPacket::kHeadroomBytes + flows::kMaxReplyBytes> buffer;
  const auto room = std::span(buffer).subspan(RawPacket::kHeadroomBytes);
  const auto error = flows::too_big(packet.is_v4(), tunnel.info().mtu_bytes);
  if (const auto length =
          flows::build_icmp_error(raw.bytes, packet, error, packet.destination.address, room)) {
    sandbox_.write_now({{}, room.first(*length)});
  }
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

// ---- Fragments ----

bool PacketPath::wants_whole(Tunnel& tunnel, const Packet& head) {
  if (is_echo_request(head) &&
      head.destination.address == addresses_.of_family(head.destination.address)) {
    return true;
  }
  if (const auto match = flow_of(tunnel, head)) {
    const Action action = flows_[match->index].action;
    return action == Action::kUpgrade || action == Action::kDowngrade;
  }
  const bool may_open = !is_tcp(head) || head.tcp_flags.opens();
  if (!may_open || !is_upgradable(head)) {
    return false;
  }
  if (hooks_ != nullptr && hooks_->decides_flows()) {
    return true;  // it is asked once, with the whole packet
  }
  return rulings_.peek(facts_of(head, tunnel.tenant(), &tunnel, flows_, loop_.now())).action ==
         Action::kUpgrade;
}

std::optional<flows::FlowMatch> PacketPath::flow_of(Tunnel& tunnel, const Packet& head) const {
  return flows_.find(flows::key_of(tunnel.tenant().settings.id, head));
}

std::uint64_t PacketPath::id_of(FlowIndex flow) const {
  return flows_.table()[flow].id;
}

void PacketPath::follow(flows::FlowMatch match, Tunnel& tunnel, const RawPacket& raw,
                        const Packet& packet) {
  known(tunnel, raw, packet, match, flows::wire_count(packet, raw.vnet));
}

void PacketPath::given_up(std::uint32_t tunnel, std::span<const std::byte> first,
                          const WireCount& wire, Drop reason) {
  Tunnel* const from = flows_.tunnel(tunnel);
  for (std::uint64_t i = 0; i < wire.packets; ++i) {
    from != nullptr ? dropped(*from, reason) : dropped(reason);
  }
  if (from == nullptr || first.empty()) {
    return;
  }
  const auto parsed = flows::parse(first, {});
  const auto head = parsed ? flows::parse_first_fragment(first, *parsed) : parsed;
  if (!head) {
    return;
  }
  if (const auto match = flow_of(*from, *head)) {  // it has carried them, whatever became of them
    Flow& flow = flows_[match->index];
    add(match->sender == Side::kInitiator ? flow.up : flow.down, wire);
  }
  if (reason == Drop::kFragmentTimeout) {
    answer_icmp(*from, first, *head, flows::reassembly_time_exceeded(head->is_v4()),
                addresses_.of_family(head->source.address));
  }
}

void PacketPath::refuse(FlowIndex flow, const RawPacket& syn, std::optional<Unreachable> why) {
  const auto packet = flows::parse(syn.bytes, syn.vnet.verified());
  Tunnel* tunnel = flows_.tunnel(flows_[flow].tunnel);
  if (packet && tunnel != nullptr) {
    answer_shown(flow, [&] { return answer(*tunnel, syn, *packet, why); });
  }
}

void PacketPath::from_upstream(FlowIndex flow, const RawPacket& packet) {
  const auto parsed = flows::parse(packet.bytes, packet.vnet.verified());
  Tunnel* tunnel = flows_.tunnel(flows_[flow].tunnel);
  if (parsed && tunnel != nullptr && is_within_bounds(flow, *tunnel, packet, *parsed)) {
    learn_names(flow, packet, *parsed);
    const WireCount carried = send_shown(flow, Side::kResponder, *tunnel, packet,
                                         [&] { return send_down(*tunnel, packet, *parsed); });
    flows_.touch(flow, Side::kResponder, carried, *parsed, loop_.now());
  }
}

void PacketPath::to_responder(FlowIndex flow, const RawPacket& packet) {
  const auto parsed = flows::parse(packet.bytes, packet.vnet.verified());
  Tunnel* tunnel = flows_.tunnel(flows::tunnel_of(flows_[flow], Side::kResponder));
  if (parsed && tunnel != nullptr && is_within_bounds(flow, *tunnel, packet, *parsed)) {
    const WireCount carried = send_shown(flow, Side::kInitiator, *tunnel, packet,
                                         [&] { return send_fitting(*tunnel, packet, *parsed); });
    flows_.touch(flow, Side::kInitiator, carried, *parsed, loop_.now());
  }
}

void PacketPath::failed_upstream(FlowIndex flow, std::span<const std::byte> original,
                                 const flows::IcmpError& error,
                                 const std::optional<IpAddress>& from) {
  // It was verified when it came in, or we wrote it; what is quoted of it may be cut short.
  const auto parsed = flows::parse(original, {.flags = flows::VnetHeader::kDataValid});
  Tunnel* tunnel = flows_.tunnel(flows_[flow].tunnel);
  if (!parsed || tunnel == nullptr) {
    return;
  }
  const bool can_be = from && from->is_v4() == parsed->is_v4() && !flows::is_martian_source(*from);
  answer_shown(flow, [&] {
    return answer_icmp(*tunnel, original, *parsed, error,
                       can_be ? *from : addresses_.of_family(parsed->source.address));
  });
}

std::optional<FlowIndex> PacketPath::open_beside(std::uint32_t tunnel, const flows::FlowKey& key,
                                                 const base::Endpoint& remote) {
  Tunnel* owner = flows_.tunnel(tunnel);
  if (owner == nullptr || !addresses_.is_reachable(key.destination.address)) {
    return std::nullopt;
  }
  // As if the client had spoken first: who may not be asked may not answer.
  const Decision decision = decide(
      *owner, facts_of(key, std::nullopt, owner->tenant(), owner, flows_, loop_.now()), nullptr);
  if (decision.action != Action::kUpgrade || decision.then_downgrade || decision.redirect ||
      decision.is_over_limit) {
    return std::nullopt;
  }
  const auto index = flows_.open(key,
                                 {.tunnel = *owner,
                                  .action = decision.action,
                                  .rule = decision.rule,
                                  .upstream = remote,
                                  .state = FlowState::kEstablished},
                                 loop_.now());
  if (!index) {
    dropped(*owner, index.error());
    return std::nullopt;
  }
  return *index;
}

// From the upstream of `flow`. Nothing is learned of an answer in fragments, nor of one that TCP
// has spread over packets: name servers write an answer at once, and it stays together as far as
// the window goes, because what comes out of the sandbox is not cut yet.
void PacketPath::learn_names(FlowIndex flow, const RawPacket& raw, const Packet& packet) {
  constexpr int kMostAnswers = 16;  // chosen: to pipelined questions, in one packet
  const auto learn = [&](std::span<const std::byte> message) {
    if (const auto answer = flows::read_dns_answer(message)) {
      flows_.learn(flow, *answer, loop_.now());
    }
  };
  const bool may_be_dns = is_tcp(packet) || packet.protocol == Protocol::kUdp;
  if (flows_[flow].key.destination.port != base::Port{53} || !may_be_dns || packet.is_fragment) {
    return;
  }
  std::span<const std::byte> payload = raw.bytes.subspan(packet.payload_offset);
  if (!is_tcp(packet)) {
    learn(payload);
    return;
  }
  for (int i = 0; i < kMostAnswers; ++i) {
    const auto message = flows::take_dns_message(payload);
    if (!message) {
      return;
    }
    learn(*message);
  }
}

bool PacketPath::is_for_gateway(Tunnel& tunnel, const RawPacket& raw, const Packet& packet) {
  if (!is_echo_request(packet) ||
      packet.destination.address != addresses_.of_family(packet.destination.address)) {
    return false;
  }
  nat::turn_echo_request(raw.bytes, packet);
  if (const auto reply = flows::parse(raw.bytes, raw.vnet.verified())) {
    send_fitting(tunnel, raw, *reply);
  }
  return true;
}

// About a packet that went to `tunnel`: its sender is told.
void PacketPath::icmp_error_from(Tunnel& tunnel, const RawPacket& raw, const Packet& packet) {
  const auto quote = nat::read_quote(raw.bytes, packet);
  const auto match = quote ? flows_.find({.source = quote->source,
                                          .destination = quote->destination,
                                          .tenant = tunnel.tenant().settings.id,
                                          .protocol = quote->protocol})
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

void PacketPath::ttl_exceeded(Tunnel& tunnel, const RawPacket& raw, const Packet& packet) {
  dropped(tunnel, Drop::kTtlExceeded);
  answer_icmp(tunnel, raw.bytes, packet, flows::time_exceeded(packet.is_v4()),
              addresses_.of_family(packet.source.address));
}

WireCount PacketPath::answer(Tunnel& tunnel, const RawPacket& raw, const Packet& packet,
                             std::optional<Unreachable> why) {
  if (why) {
    return answer_icmp(tunnel, raw.bytes, packet, flows::unreachable(*why, packet),
                       addresses_.of_family(packet.source.address));
  }
  return send_built(tunnel, [&](auto room) { return flows::build_reset(packet, room); });
}

WireCount PacketPath::refuse(Tunnel& tunnel, const RawPacket& raw, const Packet& packet) {
  return answer(tunnel, raw, packet,
                is_tcp(packet) ? std::nullopt : std::optional(Unreachable::kAdminProhibited));
}

WireCount PacketPath::answer_icmp(Tunnel& tunnel, std::span<const std::byte> original,
                                  const Packet& packet, const flows::IcmpError& error,
                                  const IpAddress& from) {
  if (!tunnel.tenant().icmp_errors.take(loop_.now())) {
    dropped(tunnel, Drop::kIcmpRateLimited);
    return {};
  }
  return send_built(tunnel, [&](auto room) {
    return flows::build_icmp_error(original, packet, error, from, room);
  });
}

template <class Build>
WireCount PacketPath::send_built(Tunnel& tunnel, Build build) {
  std::array<std::byte, RawPacket::kHeadroomBytes + flows::kMaxReplyBytes> buffer;
  const auto room = std::span(buffer).subspan(RawPacket::kHeadroomBytes);
  const auto length = build(room);
  if (!length) {
    return {};
  }
  const RawPacket reply{{}, room.first(*length)};
  const auto parsed = flows::parse(reply.bytes, reply.vnet);
  if (!parsed) {
    return {};
  }
  const auto send = [&] { return send_down(tunnel, reply, *parsed); };
  return answered_ == flows::kNoFlowIndex
             ? send()
             : send_shown(answered_, Side::kResponder, tunnel, reply, send);
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
