#include "gateway/upgrade/tcp_upgrade.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/endpoint.h"
#include "gateway/descriptors.h"
#include "gateway/flow/sandbox_plan.h"
#include "gateway/hooks/hook_desk.h"
#include "gateway/loop/tcp_socket.h"
#include "gateway/upgrade/mss.h"
#include "gateway/upgrade/socket_error.h"
#include "gateway/upgrade/socket_marks.h"
#include "nat/rewrite.h"

namespace gateway {

using base::Fd;
using flows::Drop;
using flows::EndReason;
using flows::FlowIndex;
using flows::FlowState;
using flows::Unreachable;

TcpUpgrade::TcpUpgrade(EventLoop& loop, FlowKeeper& flows, SandboxLink& sandbox,
                       TcpDowngrade& downgrade, Handshake handshake,
                       CongestionControl congestion_control, base::SipKey seed, Owner& owner)
    : loop_(loop),
      flows_(flows),
      sandbox_(sandbox),
      downgrade_(downgrade),
      handshake_(handshake),
      congestion_control_(std::move(congestion_control)),
      owner_(owner),
      source_ports_(local_port_range(), seed) {}

TcpUpgrade::~TcpUpgrade() = default;

TcpUpgrade::Session& TcpUpgrade::new_session(FlowIndex flow) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(sessions_.size()));
    sessions_.push_back(std::make_unique<Session>());
    sessions_.back()->upgrade = this;
    sessions_.back()->index = free_.back();
  }
  Session& session = *sessions_[free_.back()];
  free_.pop_back();
  session.flow = flow;
  flows_[flow].attachment = session.index;
  ++flows_.tenant_of(session.flow).connections;
  return session;
}

TcpUpgrade::Session* TcpUpgrade::session(FlowIndex flow) {
  const std::uint32_t index = flows_[flow].attachment;
  return index == flows::kNone32 ? nullptr : sessions_[index].get();
}

const Fd& TcpUpgrade::client_of(const Session& session) {
  if (session.lent) {
    return session.lent->client();
  }
  return session.relay ? session.relay->client() : session.client;
}

HookDesk::Relayed TcpUpgrade::relayed_by(const Session& session) {
  if (session.lent) {
    const auto returned = session.lent->returned().value_or(LentSockets::Return{});
    return {.client = session.lent->client(),
            .upstream = session.lent->upstream(),
            .up_bytes = returned.up_bytes,
            .down_bytes = returned.down_bytes};
  }
  if (!session.relay) {
    return {.client = session.client, .upstream = session.upstream};
  }
  return {.client = session.relay->client(),
          .upstream = session.relay->upstream(),
          .up_bytes = session.relay->up_bytes(),
          .down_bytes = session.relay->down_bytes()};
}

// What the kernel has measured of the client's side, for the audit log.
void TcpUpgrade::take_measurements(const Session& session) {
  const Fd& client = client_of(session);
  tcp_info info{};
  socklen_t size = sizeof(info);
  if (client.is_open() && ::getsockopt(client.get(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0) {
    constexpr std::uint32_t kLongestRtt = 0xffffff;
    flows_[session.flow].client_rtt_us = std::min(info.tcpi_rtt, kLongestRtt) & kLongestRtt;
    flows_[session.flow].client_retransmits = info.tcpi_total_retrans;
    flows_.measure(FlowHistogram::kClientRtt, info.tcpi_rtt, session.flow);
    constexpr std::array<int, 3> kFinNotAcknowledged{TCP_FIN_WAIT1, TCP_CLOSING, TCP_LAST_ACK};
    if (std::ranges::find(kFinNotAcknowledged, int{info.tcpi_state}) != kFinNotAcknowledged.end()) {
      flows_.await_repeat(session.flow, std::chrono::microseconds(info.tcpi_rto));
    }
  }
}

void TcpUpgrade::free_session(Session& session) {
  take_measurements(session);
  --flows_.tenant_of(session.flow).connections;
  if (session.let_in && hooks_->wants_closed()) {
    hooks_->closed(session.flow, relayed_by(session));
  }
  if (session.lent) {
    session.lent->take_back();
    session.lent.reset();
  }
  session.asked = false;
  session.let_in = false;
  session.others.clear();
  if (session.dialling) {  // somebody has given it up
    end_dial(session);
    measure_dial(session, FlowHistogram::kDialFailed);
  }
  if (session.relay) {
    --relays_;
    relayed_by_ended_.up += session.relay->up_bytes();
    relayed_by_ended_.down += session.relay->down_bytes();
    session.relay.reset();
  }
  for (Fd* socket : {&session.upstream, &session.client}) {
    if (socket->is_open()) {
      reset_on_close(*socket);
      socket->reset();
    }
  }
  session.syn.reset();
  session.dialled = {};
  session.asked_again = {};
  flows_[session.flow].attachment = flows::kNone32;
  session.flow = flows::kNoFlowIndex;
  free_.push_back(session.index);
}

void TcpUpgrade::detach(FlowIndex flow) {
  free_session(*session(flow));
}

void TcpUpgrade::open(FlowIndex flow, const RawPacket& syn, const flows::Packet& parsed) {
  Session& session = new_session(flow);
  session.syn = std::make_unique<HeldSyn>(syn, parsed);
  if (handshake_ == Handshake::kEager) {
    admit_syn(session);
  } else {
    dial(session);
  }
}

void TcpUpgrade::open_accepted(FlowIndex flow, Fd client) {
  const TimeShare::Spending opening(owner_.opening_time());
  Session& session = new_session(flow);
  session.client = std::move(client);
  if (lets_in(session)) {
    dial(session);
  }
}

bool TcpUpgrade::admits(FlowIndex flow, const RawPacket& packet, const flows::Packet& parsed) {
  Session* session = this->session(flow);
  const bool held = session != nullptr && session->syn != nullptr && !session->syn->is_taken();
  if (!held) {
    return true;
  }
  if (parsed.tcp_flags.rst()) {
    flows_.retire(flow, EndReason::kResetByClient, loop_.now());
  } else if (parsed.tcp_flags.opens() && parsed.sequence != session->syn->parsed().sequence) {
    // The client has started over.
    session->syn = std::make_unique<HeldSyn>(packet, parsed);
  }
  owner_.dropped(flow, Drop::kHeldSyn);
  return false;
}

void TcpUpgrade::to_outside(FlowIndex flow, const RawPacket& packet, const flows::Packet& parsed) {
  const nat::Family family = parsed.is_v4() ? nat::Family::kV4 : nat::Family::kV6;
  const nat::BindingIndex binding{flows_[flow].binding};
  nat::rewrite(packet.bytes, parsed, packet.vnet,
               {.source = flows_.bindings().outside(binding, family),
                .destination = listener_endpoint(family)});
}

void TcpUpgrade::error_to_outside(FlowIndex flow, const RawPacket& packet,
                                  const flows::Packet& parsed, const nat::Quote& quote) {
  const nat::Family family = parsed.is_v4() ? nat::Family::kV4 : nat::Family::kV6;
  const base::Endpoint client =
      flows_.bindings().outside(nat::BindingIndex{flows_[flow].binding}, family);
  const base::Endpoint listener = listener_endpoint(family);
  nat::rewrite_icmp_error(packet.bytes, parsed, quote, {.source = client, .destination = listener},
                          {.source = listener, .destination = client});
}

void TcpUpgrade::admit_syn(Session& session) {
  const RawPacket syn = session.syn->take_without_payload();
  const auto parsed = flows::parse(syn.bytes, syn.vnet.verified());
  CHECK(parsed.has_value());  // it was parsed when it came in
  const Tunnel* tunnel = flows_.tunnel(flows_[session.flow].tunnel);
  nat::clamp_mss(syn.bytes, *parsed, syn.vnet,
                 mss_for_mtu(tunnel->info().mtu_bytes, parsed->is_v4()));
  to_outside(session.flow, syn, *parsed);
  flows_.set_state(session.flow, FlowState::kSynReceived, loop_.now());
  sandbox_.write_now(syn);
}

void TcpUpgrade::reset_unaccepted(FlowIndex flow) {
  Session* session = this->session(flow);
  if (session == nullptr || session->syn == nullptr) {
    return;
  }
  owner_.refuse(flow, *session->syn, std::nullopt);
  session->syn.reset();
}

// NOLINTNEXTLINE(misc-no-recursion): dial_failed() comes back once for each of the others
void TcpUpgrade::dial(Session& session) {
  auto own = socket_of_app(session);
  if (!own) {
    return;
  }
  auto socket = own->is_open() ? base::Result<Fd, int>(std::move(*own)) : start_dial(session);
  session.awaits_socket = !socket && socket.error() == EAGAIN;
  if (session.awaits_socket) {
    awaiting_sockets_.push_back(session.index);
  } else if (!socket) {
    const bool from_pool = flows::is_downgraded(flows_[session.flow]);
    dial_failed(session, socket.error(), from_pool ? Drop::kNoPoolSocket : Drop::kNoDescriptor);
    return;
  } else {
    session.upstream = std::move(*socket);
    set_relay_options(session.upstream);
    if (const auto watched = loop_.watch(session.upstream, EPOLLOUT, session); !watched) {
      dial_failed(session, watched.error().code.value());
      return;
    }
  }
  session.dialling = true;
  if (session.dialled == base::Instant()) {  // one that had to wait for a socket goes on
    session.dialled = loop_.now();
  }
  ++flows_.tenant_of(session.flow).dials;
  ++dials_;
}

// Asks once for each flow, although a dial that waits for a socket begins again.
std::optional<Fd> TcpUpgrade::socket_of_app(Session& session) {
  using Kind = HookDesk::Egress::Kind;
  if (hooks_ == nullptr || std::exchange(session.asked, true)) {
    return Fd();
  }
  HookDesk::Egress egress = hooks_->egress(session.flow);
  if (egress.kind == Kind::kRefuse || egress.kind == Kind::kNoSuchName) {
    const bool is_refused = egress.kind == Kind::kRefuse;
    if (session.syn) {
      owner_.refuse(session.flow, *session.syn,
                    is_refused ? std::nullopt : std::optional(Unreachable::kHost));
    }
    flows_.retire(session.flow, is_refused ? EndReason::kBlocked : EndReason::kUnreachable,
                  loop_.now());
    return std::nullopt;
  }
  session.others.assign(egress.upstreams.rbegin(), egress.upstreams.rend());
  take_next_address(session);
  return std::move(egress.socket);
}

bool TcpUpgrade::take_next_address(Session& session) {
  if (session.others.empty()) {
    return false;
  }
  flows_[session.flow].upstream = session.others.back();
  session.others.pop_back();
  return true;
}

bool TcpUpgrade::lets_in(Session& session) {
  if (hooks_ == nullptr) {
    return true;
  }
  session.let_in = hooks_->lets_in(session.flow);
  if (!session.let_in) {
    flows_.retire(session.flow, EndReason::kBlocked, loop_.now());
  }
  return session.let_in;
}

// A connecting socket, or the errno why there is none.
base::Result<Fd, int> TcpUpgrade::start_dial(const Session& session) {
  if (flows::is_downgraded(flows_[session.flow])) {
    return downgrade_.connect(session.flow);
  }
  const base::Endpoint& upstream = flows_[session.flow].upstream;
  Fd socket = Fd::adopt(::socket(upstream.address.is_v4() ? AF_INET : AF_INET6,
                                 SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!socket.is_open()) {
    return base::Unexpected{errno};
  }
  constexpr std::size_t kSocketsOfConnection = 2;
  const Tenant& tenant = flows_.tenant_of(session.flow);
  if (is_reserved(socket) ||
      (!tenant.is_alone && is_for_others(socket, kSocketsOfConnection * tenant.connections))) {
    return base::Unexpected{EMFILE};
  }
  mark_socket(socket, upstream.address.is_v4(), flows_[session.flow].mark,
              flows_[session.flow].dscp);
  if (const int error = source_ports_.connect(socket, upstream, loop_.now()); error != 0) {
    return base::Unexpected{error};
  }
  return socket;
}

void TcpUpgrade::sockets_arrived(bool v4, bool failed) {
  const TimeShare::Spending opening(owner_.opening_time());
  for (const std::uint32_t index : std::exchange(awaiting_sockets_, {})) {
    Session& session = *sessions_[index];
    if (!session.awaits_socket) {
      continue;  // it has ended meanwhile
    }
    if (flows_[session.flow].key.destination.address.is_v4() != v4) {
      awaiting_sockets_.push_back(index);
      continue;
    }
    end_dial(session);
    if (failed) {
      dial_failed(session, ENOBUFS, Drop::kNoPoolSocket);
    } else {
      dial(session);
    }
  }
}

void TcpUpgrade::end_dial(Session& session) {
  session.dialling = false;
  session.awaits_socket = false;
  loop_.unwatch(session.upstream, session);
  --flows_.tenant_of(session.flow).dials;
  --dials_;
}

void TcpUpgrade::dial_answered(Session& session) {
  const TimeShare::Spending opening(owner_.opening_time());
  int error = 0;
  socklen_t size = sizeof(error);
  ::getsockopt(session.upstream.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  end_dial(session);
  if (error != 0) {
    dial_failed(session, error);
    return;
  }
  measure_dial(session, FlowHistogram::kDialConnected);
  if (flows::is_downgraded(flows_[session.flow])) {  // through the sandbox, to a tunnel's peer
    congestion_control_.choose_for(session.upstream);
  }
  if (hooks_ != nullptr) {
    hooks_->established(session.flow, session.upstream);
  }
  if (session.client.is_open()) {
    start_relay(session);
  } else {
    admit_syn(session);
  }
}

void TcpUpgrade::measure_dial(const Session& session, FlowHistogram result) {
  const bool began = session.dialled != base::Instant();  // else it failed at once
  const base::Duration took = began ? loop_.now() - session.dialled : base::Duration();
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(took).count();
  flows_.measure(result, static_cast<std::uint64_t>(micros), session.flow);
}

// NOLINTNEXTLINE(misc-no-recursion): each time one of the others less, at most kMostAddresses
void TcpUpgrade::dial_failed(Session& session, int error, Drop lack) {
  // Another upstream may have a port left, or be of a family that there is an address of.
  if ((!is_our_lack(error) || error == EADDRNOTAVAIL) && take_next_address(session)) {
    dial(session);
    return;
  }
  const FlowIndex flow = session.flow;
  measure_dial(session, FlowHistogram::kDialFailed);
  const auto unreachable = as_unreachable(error);
  EndReason reason = unreachable ? EndReason::kUnreachable : EndReason::kRefused;
  if (error == EADDRNOTAVAIL && lack != Drop::kNoPoolSocket) {
    owner_.dropped(flow, Drop::kNoUpstreamPort);
    reason = EndReason::kNoUpstreamPort;
  } else if (is_our_lack(error)) {
    owner_.dropped(flow, lack);
    reason = EndReason::kNoDescriptor;
  } else if (error == ETIMEDOUT) {
    reason = EndReason::kTimedOut;
  }
  // Silence is answered with silence, and an open (eager) connection with the RST of its close.
  if (error != ETIMEDOUT && session.syn) {
    owner_.refuse(flow, *session.syn, unreachable);
  }
  flows_.retire(flow, reason, loop_.now());
}

TcpUpgrade::LastConnection TcpUpgrade::last_connection(FlowIndex flow) {
  if (flows_[flow].action != flows::Action::kUpgrade || session(flow) == nullptr) {
    return LastConnection::kGone;
  }
  sandbox_.catch_up();
  Session* session = this->session(flow);
  if (session == nullptr) {
    return LastConnection::kGone;
  }
  const Fd& client = client_of(*session);
  tcp_info info{};
  socklen_t size = sizeof(info);
  if (!client.is_open() || ::getsockopt(client.get(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
    return LastConnection::kGone;
  }
  constexpr std::array<int, 4> kOpen{TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_CLOSE_WAIT};
  if (std::ranges::find(kOpen, int{info.tcpi_state}) != kOpen.end()) {
    return LastConnection::kGoesOn;
  }
  return still_delivers(*session) ? LastConnection::kDelivers : LastConnection::kGone;
}

// The kernel inside has acknowledged what the client sent, which relies on that. An upstream that
// takes nothing of it for a while does not keep the client from using its port.
bool TcpUpgrade::still_delivers(Session& session) {
  constexpr base::Duration kStillAtMost = std::chrono::seconds(10);  // chosen, as for `run`'s end
  if (!session.relay || session.relay->is_resetting() || session.relay->is_client_done()) {
    return false;
  }
  const std::uint64_t moved = session.relay->up_bytes();
  if (session.asked_again == base::Instant() || moved != session.moved_by_then) {
    session.asked_again = loop_.now();
    session.moved_by_then = moved;
  }
  return loop_.now() - session.asked_again < kStillAtMost;
}

void TcpUpgrade::accepted(Fd client, FlowIndex flow) {
  const TimeShare::Spending opening(owner_.opening_time());
  Session* session = this->session(flow);
  if (session == nullptr || session->relay || flows_[flow].state != FlowState::kSynReceived) {
    reset_on_close(client);
    return;
  }
  session->syn.reset();
  choose_congestion_control(flow, client);
  session->client = std::move(client);
  flows_.set_state(flow, FlowState::kEstablished, loop_.now());
  if (!lets_in(*session)) {
    return;
  }
  if (session->upstream.is_open()) {
    start_relay(*session);
    return;
  }
  const Tenant& tenant = flows_.tenant_of(flow);
  if (tenant.dials >= tenant.settings.max_dials) {  // there was room when its SYN came
    owner_.dropped(flow, Drop::kDialLimit);
    flows_.retire(flow, EndReason::kEvicted, loop_.now());
    return;
  }
  dial(*session);
}

void TcpUpgrade::choose_congestion_control(FlowIndex flow, const Fd& client) {
  const Tunnel* tunnel = flows_.tunnel(flows_[flow].tunnel);
  if (tunnel == nullptr || !tunnel->is_on_this_host()) {
    congestion_control_.choose_for(client);
  }
}

void TcpUpgrade::start_relay(Session& session) {
  if (flows_[session.flow].state == FlowState::kDialing) {  // published: nothing was held
    flows_.set_state(session.flow, FlowState::kEstablished, loop_.now());
  }
  const auto pipeline =
      hooks_ == nullptr ? hooks::PipelineRuling::kRelay : hooks_->pipeline(session.flow);
  if (pipeline == hooks::PipelineRuling::kTake) {
    lend(session);
    return;
  }
  session.relay.emplace(loop_, pipes_, std::move(session.client), std::move(session.upstream),
                        session);
  ++relays_;
  if (bandwidths_->any()) {
    set_bounds(session);
  }
  if (pipeline == hooks::PipelineRuling::kWatch) {
    session.relay->watch(session);
  }
  if (!session.relay->start()) {
    owner_.dropped(session.flow, Drop::kNoDescriptor);
    flows_.retire(session.flow, EndReason::kNoDescriptor, loop_.now());
  }
}

void TcpUpgrade::set_bounds(Session& session) {
  const flows::Flow& flow = flows_[session.flow];
  if (Tunnel* tunnel = flows_.tunnel(flow.tunnel)) {
    session.relay->set_bounds(bandwidths_->of(flow.rule, tunnel->tenant(), loop_.now()), *pacer_);
  }
}

void TcpUpgrade::rebound() {
  for (const auto& session : sessions_) {
    if (session->relay) {
      set_bounds(*session);
    }
  }
}

void TcpUpgrade::forget_other_addresses() {
  for (const auto& session : sessions_) {
    session->others.clear();
  }
}

void TcpUpgrade::lend(Session& session) {
  auto lent =
      std::make_shared<LentSockets>(std::move(session.client), std::move(session.upstream), loop_);
  lent->set_given_back(
      [this, index = session.index, sockets = lent.get()] { given_back(index, sockets); });
  session.lent = lent;
  hooks_->take(session.flow, hooks::TakenConnection(std::move(lent)));
}

// Posted, so the session may have ended meanwhile, and be another's.
void TcpUpgrade::given_back(std::uint32_t index, const LentSockets* sockets) {
  Session& session = *sessions_[index];
  const auto returned = session.lent.get() == sockets ? session.lent->returned() : std::nullopt;
  if (returned) {
    flows_.retire(session.flow, returned->was_finished ? EndReason::kClosed : EndReason::kBlocked,
                  loop_.now());
  }
}

bool TcpUpgrade::Session::passes(flows::Side sender, std::uint64_t offset,
                                 std::span<const std::byte> bytes) {
  return upgrade->hooks_->passes(flow, sender, offset, bytes);
}

void TcpUpgrade::relay_ended(Session& session, TcpRelay::Outcome outcome) {
  constexpr std::array kReasons{EndReason::kClosed, EndReason::kResetByClient,
                                EndReason::kResetByUpstream, EndReason::kTimedOut};
  flows_.retire(session.flow, kReasons.at(static_cast<std::size_t>(outcome)), loop_.now());
}

TcpUpgrade::RelayedBytes TcpUpgrade::relayed() const {
  RelayedBytes total = relayed_by_ended_;
  for (const auto& session : sessions_) {
    if (session->relay) {
      total.up += session->relay->up_bytes();
      total.down += session->relay->down_bytes();
    }
  }
  return total;
}

std::uint32_t TcpUpgrade::relays_from_client() const {
  return static_cast<std::uint32_t>(std::ranges::count_if(sessions_, [](const auto& session) {
    return session->relay && !session->relay->is_client_done();
  }));
}

void TcpUpgrade::let_upstreams_read_on() {
  for (const auto& session : sessions_) {
    if (session->relay) {
      session->relay->let_upstream_read_on();
    }
  }
}

void TcpUpgrade::tick(base::Instant now) {
  // Whatever still lingers stays in the list. A session that ended otherwise has no relay, or
  // another one: settle() of a relay that resets nothing must not be called.
  std::erase_if(lingering_, [&](std::uint32_t index) {
    Session& session = *sessions_[index];
    return !session.relay || !session.relay->is_resetting() || session.relay->settle(now);
  });
}

}  // namespace gateway
