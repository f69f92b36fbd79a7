// PacketPath, as far as it shows packets to those who capture.
#include "gateway/packet_path.h"

namespace gateway {

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
