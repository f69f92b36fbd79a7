// PacketPath, as far as it shows packets to those who capture, and to an app.
#include "gateway/packet_path.h"
#include "nat/payload_change.h"

namespace gateway {

void PacketPath::app_is_set() {
  if (hooks_.looks_at_packets()) {
    capture_.look_always();
  }
}

bool PacketPath::look(flows::FlowIndex index, flows::Side sender, const Tunnel& tunnel,
                      const RawPacket& raw, const flows::WireCount& wire) {
  if (!lets_pass(index, sender, raw)) {
    return false;
  }
  hold_for_capture(index, sender, tunnel, raw, /*is_inbound=*/true);
  capture_.commit(wire.packets);
  return true;
}

bool PacketPath::lets_pass(flows::FlowIndex index, flows::Side sender, const RawPacket& raw) {
  if (!hooks_.looks_at_packets()) {
    return true;
  }
  // What has come out of the sandbox has its inside addresses by now, so it is read again.
  const auto packet = flows::parse(raw.bytes, raw.vnet.verified());
  if (!packet || packet->is_fragment) {
    return true;  // of a flow that is forwarded, whose packets nobody puts together
  }
  switch (hooks_.look_at(index, sender, *packet, raw.bytes)) {
    case HookDesk::Look::kPass:
      return true;
    case HookDesk::Look::kChanged:
      nat::renew_checksum(raw.bytes, *packet, raw.vnet);
      return true;
    case HookDesk::Look::kDrop:
      break;
  }
  dropped(index, flows::Drop::kDroppedByHook);
  return false;
}

void PacketPath::hold_for_capture(flows::FlowIndex index, flows::Side sender, const Tunnel& tunnel,
                                  const RawPacket& raw, bool is_inbound) {
  const flows::Flow& flow = flows_[index];
  Tunnel* owner = flows_.tunnel(flow.tunnel);
  FlowNames names{.tenant = {},
                  .tunnel = {},
                  .rule = rulings_.policy().rule_name(flow.rule),
                  .host = flows_.host(flow)};
  if (owner != nullptr) {
    names.tenant = owner->tenant().settings.name;
    names.tunnel = owner->info().name;
  }
  capture_.hold({.flow = flow,
                 .names = names,
                 .vnet = raw.vnet,
                 .packet = raw.bytes,
                 .tunnel = tunnel.id(),
                 .is_up = sender == flows::Side::kInitiator,
                 .is_inbound = is_inbound});
}

}  // namespace gateway
