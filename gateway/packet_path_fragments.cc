// PacketPath, as far as it puts packets together again: which, and what becomes of the others.
#include "flows/first_fragment.h"
#include "flows/segmenter.h"
#include "gateway/packet_path.h"
#include "gateway/policy/flow_plan.h"

namespace gateway {

using flows::Action;
using flows::Drop;
using flows::Flow;
using flows::FlowIndex;
using flows::Packet;
using flows::Side;
using flows::WireCount;

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
  if (!may_begin_flow(head) || !is_upgradable(head)) {
    return false;
  }
  if (hooks_.asks_app_of_flows()) {
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
    WireCount& count = match->sender == Side::kInitiator ? flow.up : flow.down;
    count.packets += wire.packets;
    count.bytes += wire.bytes;
  }
  if (reason == Drop::kFragmentTimeout) {
    answer_icmp(*from, first, *head, flows::reassembly_time_exceeded(head->is_v4()),
                addresses_.of_family(head->source.address));
  }
}

}  // namespace gateway
