#include "gateway/flow/flow_keeper.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "gateway/flow/sandbox_plan.h"
#include "gateway/log.h"

namespace gateway {

using base::Instant;
using base::Unexpected;
using flows::Drop;
using flows::EndReason;
using flows::Flow;
using flows::FlowIndex;
using flows::FlowState;
using flows::Protocol;

namespace {

EndReason reason_of_close(flows::Side sender, flows::TcpFlags flags) {
  if (!flags.rst()) {
    return EndReason::kClosed;
  }
  return sender == flows::Side::kInitiator ? EndReason::kResetByClient
                                           : EndReason::kResetByUpstream;
}

bool needs_binding(const flows::FlowKey& key, flows::Action action) {
  const bool by_sockets = action == flows::Action::kUpgrade || action == flows::Action::kDowngrade;
  return by_sockets && key.protocol == Protocol::kTcp;
}

}  // namespace

FlowKeeper::FlowKeeper(FlowRegion& region, const Settings& settings, flows::HashSeed seed,
                       AuditLog& audit, Instant now, const Place& place)
    : timeouts_(settings.flows.timeouts),
      table_(flows::FlowTable::create(region.bytes(), settings.flows.max, seed,
                                      flows::first_flow_id(place.shard))),
      wheel_(table_, now),
      waiting_(settings.flows.max),
      of_tunnel_(settings.flows.max),
      of_peer_tunnel_(settings.flows.max),
      names_(flows::NameTable::in_region(region.bytes(), settings.flows.max)),
      host_names_(names_),
      bindings_(binding_range(settings.nat.bindings)),
      audit_(audit),
      quota_(place.quota) {}

Tunnel* FlowKeeper::tunnel(std::uint32_t id) const {
  const auto found = tunnels_.find(id);
  return found == tunnels_.end() ? nullptr : found->second;
}

base::Result<FlowIndex, Drop> FlowKeeper::open(const flows::FlowKey& key, const Opening& opening,
                                               Instant now) {
  Tenant& tenant = opening.tunnel.tenant();
  if (const auto limit = limit_met(tenant, key, opening.action)) {
    return Unexpected{*limit};
  }
  if (!quota_.take()) {
    return Unexpected{Drop::kFlowTableFull};
  }
  if (opening.action != flows::Action::kReject && opening.action != flows::Action::kDrop) {
    end_refused_against(key);
  }
  auto index = table_.insert(key, now, [&](Flow& flow) {
    flow.tunnel = opening.tunnel.id();
    flow.peer_tunnel = opening.peer_tunnel;
    flow.upstream = opening.upstream;
    flow.rule = opening.rule;
    flow.action = opening.action;
    flow.state = opening.state;
    flow.name = opening.name != flows::kNoName
                    ? opening.name
                    : host_names_.find(key.tenant, key.destination.address, now);
    flow.outer_port = opening.tunnel.outer_port;
    flow.mark = opening.mark;
    flow.dscp = opening.dscp;
  });
  if (!index) {
    quota_.give_back();
    return index;
  }
  if (needs_binding(key, opening.action)) {
    if (const auto lack = claim_bindings(*index)) {
      table_.erase(*index);
      quota_.give_back();
      return Unexpected{*lack};
    }
  }
  if (flows::NameIndex& name = table_[*index].name;
      name != flows::kNoName && !host_names_.use(key.tenant, name)) {
    name = flows::kNoName;
  }
  tenants_.try_emplace(key.tenant, &tenant);
  ++tenant.flows;
  ++tenant.flows_total;
  of_tunnel_.add(opening.tunnel.flows, *index);
  if (Tunnel* peer = tunnel(opening.peer_tunnel)) {
    of_peer_tunnel_.add(peer->peer_flows, *index);
  }
  ++opened_;
  follow_wait(*index);
  wheel_.arm(*index, now + timeout(table_[*index]));
  log(*index, AuditEvent::Kind::kFlowStart);
  if (observer_ != nullptr) {
    observer_->flow_opened(*index);
  }
  if (!opening.logged_rule.empty() && lines_.take(now)) {
    say(*index, opening.logged_rule, tenant);
  }
  return index;
}

// The same packets the other way around, which policy has refused: from now on they are answers.
void FlowKeeper::end_refused_against(const flows::FlowKey& key) {
  const auto match = table_.find(key.reversed());
  if (match && flows::is_denied(table_[match->index]) &&
      compare(key, table_[match->index].key) == flows::SameFlow::kReversed) {
    end(match->index, EndReason::kDropped);  // it has a reason already
  }
}

// A refusal is what the operator wants to know, under `liftgate run`, too.
void FlowKeeper::say(FlowIndex index, std::string_view rule, const Tenant& tenant) {
  const Flow& flow = table_[index];
  const std::string_view name = flow.name == flows::kNoName ? "" : names_.text(flow.name);
  log_at(flows::is_denied(flow) ? LogLevel::kWarn : LogLevel::kInfo,
         "flow decided rule={} action={} flow={} tenant={} protocol={} source={} destination={} "
         "name={}",
         rule, flows::name(flow.action), flow.id, tenant.settings.name,
         flows::protocol_name(flow.key.protocol), flow.key.source.to_string(),
         flow.key.destination.to_string(), name);
}

std::optional<Drop> FlowKeeper::limit_met(const Tenant& tenant, const flows::FlowKey& key,
                                          flows::Action action) const {
  if (tenant.flows >= tenant.settings.max_flows) {
    return Drop::kTenantFlowLimit;
  }
  if (!audit_.accepts_starts()) {
    return Drop::kAuditBacklog;
  }
  if (!quota_.has_room_for(tenant.flows)) {
    return Drop::kFlowTableFull;
  }
  const bool is_handled = action != flows::Action::kReject && action != flows::Action::kDrop;
  if (is_handled && key.protocol == Protocol::kTcp &&
      tenant.half_open() >= tenant.settings.max_half_open) {
    return Drop::kHalfOpenLimit;
  }
  if (needs_binding(key, action) && bindings_.claimed() == bindings_.capacity()) {
    return Drop::kNoFreeBinding;
  }
  return std::nullopt;
}

bool FlowKeeper::may_speak_for(std::uint32_t id, const Tunnel& from) const {
  if (id == from.id()) {
    return true;
  }
  const Tunnel* owner = tunnel(id);
  return owner != nullptr && from.may_take_over(*owner);
}

bool FlowKeeper::hears(FlowIndex index, flows::Side side, Tunnel& from) {
  Flow& flow = table_[index];
  const bool is_first = flows::is_behind_first_tunnel(flow, side);
  const std::uint32_t owner = is_first ? flow.tunnel : flow.peer_tunnel;
  if (!may_speak_for(owner, from)) {
    return false;
  }
  if (owner != from.id()) {
    move(index, is_first, *tunnel(owner), from);
  }
  if (is_first) {
    flow.outer_port = from.outer_port;
  }
  return true;
}

void FlowKeeper::hand_over(FlowIndex index, Tunnel& from, Tunnel& to) {
  const Flow& flow = table_[index];
  if (flow.tunnel == from.id()) {
    move(index, true, from, to);
  }
  if (flow.peer_tunnel == from.id()) {
    move(index, false, from, to);
  }
}

void FlowKeeper::move(FlowIndex index, bool is_first, Tunnel& from, Tunnel& to) {
  Flow& flow = table_[index];
  if (!is_first) {
    of_peer_tunnel_.remove(from.peer_flows, index);
    of_peer_tunnel_.add(to.peer_flows, index);
    flow.peer_tunnel = to.id();
    return;
  }
  of_tunnel_.remove(from.flows, index);
  of_tunnel_.add(to.flows, index);
  flow.tunnel = to.id();
  if (waits(index)) {
    --from.waiting;
    ++to.waiting;
  }
}

// The slots of a flow that has two hang together by the first one's note.
std::optional<Drop> FlowKeeper::claim_bindings(FlowIndex index) {
  const auto first = bindings_.claim(index);
  if (!first) {
    return first.error();
  }
  if (flows::is_upgraded_then_downgraded(table_[index])) {
    const auto second = bindings_.claim(index);
    if (!second) {
      bindings_.release(*first);
      return second.error();
    }
    bindings_.set_note(*first, number(*second));
  }
  table_[index].binding = number(*first);
  return std::nullopt;
}

void FlowKeeper::release_bindings(FlowIndex index) {
  const nat::BindingIndex first{table_[index].binding};
  if (flows::is_upgraded_then_downgraded(table_[index])) {
    bindings_.release(responder_binding(index));
  }
  bindings_.release(first);
}

nat::BindingIndex FlowKeeper::responder_binding(FlowIndex index) const {
  const Flow& flow = table_[index];
  const nat::BindingIndex first{flow.binding};
  return flow.action == flows::Action::kDowngrade ? first
                                                  : nat::BindingIndex{bindings_.note(first)};
}

void FlowKeeper::touch(FlowIndex index, flows::Side sender, const flows::WireCount& wire,
                       const flows::Packet& packet, Instant now) {
  Flow& flow = table_[index];
  const bool initiator = sender == flows::Side::kInitiator;
  flows::WireCount& count = initiator ? flow.up : flow.down;
  count.packets += wire.packets;
  count.bytes += wire.bytes;
  if (flows::is_stopped(flow)) {
    return;  // who goes on sending does not keep it alive
  }
  if (flow.state == FlowState::kTimeWait && packet.protocol == Protocol::kTcp) {
    count_repeat(flow, now);
  }
  flow.last_seen_ns = base::to_nanoseconds(now);
  if (!initiator && flow.replies < 255) {
    flow.replies = (flow.replies + 1U) & 0xffU;
    if (flow.replies == 1) {
      follow_wait(index);
    }
  }
  if (initiator && flow.up.packets == wire.packets && flow.replies > 0) {
    follow_wait(index);  // an upstream has begun it
  }
  if (packet.protocol == Protocol::kTcp) {
    follow_phase(index, sender, packet.tcp_flags, now);
  }
}

// Both ends have said their last word, so what comes after a pause is one that TCP sends again: the
// end of a stream, or a FIN, was lost. It doubles its pauses (RFC 6298 5.5), and so do we, or the
// flow would be gone before the segment that its client still waits for has got through.
void FlowKeeper::count_repeat(Flow& flow, Instant now) {
  constexpr base::Duration kPause = std::chrono::milliseconds(150);  // Linux: 200 ms (TCP_RTO_MIN)
  if (now - base::from_nanoseconds(flow.last_seen_ns) >= kPause && flow.repeats < kMostRepeats) {
    ++flow.repeats;
  }
}

void FlowKeeper::await_repeat(FlowIndex index, base::Duration pause) {
  Flow& flow = table_[index];
  while (flow.repeats < kMostRepeats && time_wait_of(flow) < 2 * pause) {
    ++flow.repeats;
  }
}

base::Duration FlowKeeper::time_wait_of(const Flow& flow) const {
  return timeouts_.tcp_time_wait * (1U << flow.repeats);
}

void FlowKeeper::follow_phase(FlowIndex index, flows::Side sender, flows::TcpFlags flags,
                              Instant now) {
  Flow& flow = table_[index];
  const flows::TcpPhase before =
      std::exchange(flow.tcp_phase, flows::next(flow.tcp_phase, sender, flags));
  if (flow.action == flows::Action::kForward && flow.tcp_phase != before) {
    if (flow.tcp_phase == flows::TcpPhase::kClosed) {
      retire(index, reason_of_close(sender, flags), now);  // nobody but its segments tells
      return;
    }
    if (flow.state == FlowState::kSynReceived && flow.tcp_phase >= flows::TcpPhase::kOpen) {
      flow.state = FlowState::kEstablished;
      follow_wait(index);
    }
  }
  // Not with an RST: its kernel may not believe it (RFC 5961 3.2), and if it does, its relay tells.
  if (flow.state == FlowState::kEstablished && flags.fin()) {
    flow.state = FlowState::kClosing;
  }
}

void FlowKeeper::count_down(FlowIndex index, const flows::WireCount& wire) {
  Flow& flow = table_[index];
  flow.down.packets += wire.packets;
  flow.down.bytes += wire.bytes;
}

void FlowKeeper::set_state(FlowIndex index, FlowState state, Instant now) {
  Flow& flow = table_[index];
  flow.state = state;
  follow_wait(index);
  flow.last_seen_ns = base::to_nanoseconds(now);
  wheel_.arm(index, now + timeout(flow));
}

void FlowKeeper::retire(FlowIndex index, EndReason reason, Instant now) {
  Flow& flow = table_[index];
  if (flow.end_reason == EndReason::kNone) {
    flow.end_reason = reason;
  }
  set_state(index, FlowState::kTimeWait, now);
  if (flow.attachment != flows::kNone32) {
    servant_->detach(index);
  }
}

void FlowKeeper::end(FlowIndex index, EndReason reason) {
  Flow& flow = table_[index];
  if (flow.end_reason == EndReason::kNone) {
    flow.end_reason = reason;
  }
  if (flow.attachment != flows::kNone32) {
    servant_->detach(index);
  }
  log(index, AuditEvent::Kind::kFlowEnd);
  measure_whole(index);
  if (observer_ != nullptr) {
    observer_->flow_ended(index);
  }
  if (flow.binding != flows::kNone32) {
    release_bindings(index);
  }
  if (flow.name != flows::kNoName) {
    host_names_.release(flow.key.tenant, flow.name);
  }
  stop_waiting(index);
  if (Tunnel* owner = tunnel(flow.tunnel)) {
    of_tunnel_.remove(owner->flows, index);
    --owner->tenant().flows;
  }
  if (Tunnel* peer = tunnel(flow.peer_tunnel)) {
    of_peer_tunnel_.remove(peer->peer_flows, index);
  }
  ++ended_;
  wheel_.disarm(index);
  table_.erase(index);
  quota_.give_back();
}

bool FlowKeeper::expire(Instant now) {
  return wheel_.advance(now, kExpireBudget, [&](FlowIndex index) { expire_one(index, now); });
}

void FlowKeeper::expire_one(FlowIndex index, Instant now) {
  const Flow& flow = table_[index];
  const Instant deadline = base::from_nanoseconds(flow.last_seen_ns) + timeout(flow);
  if (deadline > now) {
    wheel_.arm(index, deadline);
  } else if (flow.state >= FlowState::kEstablished && flow.attachment != flows::kNone32 &&
             flow.binding != flows::kNone32) {
    retire(index, EndReason::kTimedOut, now);  // its RSTs are still to go out
  } else {
    end(index, EndReason::kTimedOut);
  }
}

base::Duration FlowKeeper::timeout(const Flow& flow) const {
  if (flow.action == flows::Action::kReject || flow.action == flows::Action::kDrop) {
    return timeouts_.udp;  // a client that keeps trying stays one flow, and one audit record
  }
  if (flow.key.protocol == Protocol::kIcmp || flow.key.protocol == Protocol::kIcmpv6) {
    return timeouts_.icmp;
  }
  if (flow.key.protocol == Protocol::kUdp) {
    if (flow.key.destination.port == base::Port{53}) {
      return timeouts_.dns;
    }
    const bool both_spoke_repeatedly = flow.up.packets >= 2 && flow.replies >= 2;
    return both_spoke_repeatedly ? timeouts_.udp_stream : timeouts_.udp;
  }
  if (flow.key.protocol != Protocol::kTcp) {
    return timeouts_.other;
  }
  switch (flow.state) {
    case FlowState::kDialing:
    case FlowState::kSynReceived:
      return timeouts_.tcp_handshake;
    case FlowState::kEstablished:
    case FlowState::kClosing:  // half closed may be for long; the relay knows when it is over
      break;
    case FlowState::kTimeWait:
      return time_wait_of(flow);
  }
  if (flow.attachment != flows::kNone32) {
    return timeouts_.tcp_established;
  }
  switch (flow.tcp_phase) {  // forwarded or refused: only its segments tell
    case flows::TcpPhase::kOpening:
    case flows::TcpPhase::kAnswered:
      return timeouts_.tcp_handshake;
    case flows::TcpPhase::kOpen:
    case flows::TcpPhase::kClosingByInitiator:
    case flows::TcpPhase::kClosingByResponder:
      return timeouts_.tcp_established;
    case flows::TcpPhase::kClosed:
      return timeouts_.tcp_time_wait;
  }
  return timeouts_.tcp_handshake;
}

// Refused ones would bury the others: they are short, and a flood of them is many.
void FlowKeeper::measure_whole(FlowIndex index) {
  const Flow& flow = table_[index];
  if (flows::is_denied(flow)) {
    return;
  }
  const std::int64_t lived_ns = std::max<std::int64_t>(flow.last_seen_ns - flow.created_ns, 0);
  measure(duration_histogram(flow.key.protocol), static_cast<std::uint64_t>(lived_ns) / 1000,
          index);
  measure(FlowHistogram::kBytesUp, flow.up.bytes, index);
  measure(FlowHistogram::kBytesDown, flow.down.bytes, index);
}

void FlowKeeper::log(FlowIndex index, AuditEvent::Kind kind) {
  const Flow& flow = table_[index];
  audit_.append({.kind = kind,
                 .time = std::chrono::system_clock::now(),
                 .flow = flow,
                 .host = flow.name == flows::kNoName ? "" : std::string(names_.text(flow.name))});
}

}  // namespace gateway
