// PacketPath, as far as packets come back: out of the sandbox, and from the sockets of upstreams.
#include <array>

#include "flows/dns_answer.h"
#include "flows/dns_stream.h"
#include "gateway/offramp/fitting.h"
#include "gateway/packet_path.h"
#include "gateway/policy/flow_plan.h"
#include "gateway/upgrade/mss.h"
#include "nat/rewrite.h"

namespace gateway {

using base::IpAddress;
using flows::Action;
using flows::Drop;
using flows::Flow;
using flows::FlowIndex;
using flows::FlowState;
using flows::Packet;
using flows::Protocol;
using flows::Side;
using flows::Unreachable;
using flows::WireCount;

namespace {

bool is_tcp(const Packet& packet) {
  return packet.protocol == Protocol::kTcp;
}

}  // namespace

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
  set_dscp(flow, raw);
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

void PacketPath::refuse(FlowIndex flow, const HeldSyn& syn, std::optional<Unreachable> why) {
  if (Tunnel* tunnel = flows_.tunnel(flows_[flow].tunnel)) {
    answer_shown(flow, [&] { return answer(*tunnel, syn.headers(), syn.parsed(), why); });
  }
}

void PacketPath::from_upstream(FlowIndex flow, const RawPacket& packet) {
  const auto parsed = flows::parse(packet.bytes, packet.vnet.verified());
  Tunnel* tunnel = flows_.tunnel(flows_[flow].tunnel);
  if (parsed && tunnel != nullptr && is_within_bounds(flow, *tunnel, packet, *parsed)) {
    learn_names(flow, packet, *parsed);
    set_dscp(flows_[flow], packet);
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

base::Result<FlowIndex, Drop> PacketPath::open_beside(std::uint32_t tunnel,
                                                      const flows::FlowKey& key,
                                                      const base::Endpoint& remote) {
  Tunnel* owner = flows_.tunnel(tunnel);
  // A flow may have the key and not this socket: one that was refused or killed, that of a
  // published port, or one whose socket is an app's.
  if (owner == nullptr || flows_.find(key) || !addresses_.is_reachable(key.destination.address)) {
    return base::Unexpected{Drop::kFilteredReply};
  }
  // Others than the client begin these, and take nothing from what it may begin itself.
  Tenant& tenant = owner->tenant();
  if (!tenant.new_flows_beside.take(tenant.settings.max_new_flows, loop_.now()) ||
      !openings_.may_open()) {
    return base::Unexpected{Drop::kReplyFlowLimit};
  }
  const TimeShare::Spending opening(openings_.time());
  // As if the client had spoken first: who may not be asked may not answer.
  const Decision decision =
      hooks_.decide(facts_of(key, owner->tenant(), owner, flows_, loop_.now()), *owner, nullptr);
  if (decision.action != Action::kUpgrade || decision.then_downgrade || decision.redirect ||
      decision.is_over_limit) {
    return base::Unexpected{decision.is_over_limit ? Drop::kReplyFlowLimit : Drop::kFilteredReply};
  }
  const auto index = flows_.open(key,
                                 {.tunnel = *owner,
                                  .action = decision.action,
                                  .rule = decision.rule,
                                  .upstream = remote,
                                  .state = FlowState::kEstablished,
                                  .mark = decision.mark,
                                  .dscp = decision.dscp},
                                 loop_.now());
  if (!index) {
    return base::Unexpected{Drop::kReplyFlowLimit};
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

}  // namespace gateway
