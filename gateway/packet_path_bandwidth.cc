// PacketPath, as far as it drops what is beyond a bound (bandwidth/bandwidth.h).
#include "flows/segmenter.h"
#include "gateway/packet_path.h"

namespace gateway {

bool PacketPath::admit(flows::FlowIndex index, Tunnel& tunnel, const RawPacket& raw,
                       const flows::Packet& packet) {
  const Bounds bounds = bandwidths_->of(flows_[index].rule, tunnel.tenant(), loop_.now());
  if (!bounds.any()) {
    return true;
  }
  const flows::WireCount wire = flows::wire_count(packet, raw.vnet);
  if (bounds.admit_packets(wire, loop_.now())) {
    return true;
  }
  for (std::uint64_t i = 0; i < wire.packets; ++i) {
    dropped(index, flows::Drop::kBandwidth);
  }
  return false;
}

}  // namespace gateway
