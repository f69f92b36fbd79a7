// The hook of packets: each that a flow carries is looked at, changed or dropped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "flows/packet.h"
#include "flows/tcp_phase.h"
#include "gateway/hooks/flow_hooks.h"
#include "gateway/hooks/hook_id.h"

namespace gateway::hooks {

enum class PacketRuling : std::uint8_t { kPass, kDrop };
std::string_view name(PacketRuling ruling);  // "pass"

/// A packet as the tunnel carries it: with its inside addresses, and several segments in one where
/// the tunnel has offload. Lives for the call.
class PassingPacket {
 public:
  PassingPacket(const FlowView& flow, flows::Side sender, const flows::Packet& headers,
                std::span<std::byte> bytes)
      : flow_(flow), sender_(sender), headers_(headers), bytes_(bytes) {}

  [[nodiscard]] const FlowView& flow() const { return flow_; }
  [[nodiscard]] flows::Side sender() const { return sender_; }
  [[nodiscard]] const flows::Packet& headers() const { return headers_; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] std::span<const std::byte> payload() const {
    return bytes_.subspan(headers_.payload_offset);
  }
  /// What the transport carries, to write to: lengths stay, and the checksum is made right after
  /// the call.
  [[nodiscard]] std::span<std::byte> payload_to_change() const {
    is_changed_ = true;
    return bytes_.subspan(headers_.payload_offset);
  }
  [[nodiscard]] bool is_changed() const { return is_changed_; }

 private:
  const FlowView& flow_;
  flows::Side sender_;
  const flows::Packet& headers_;
  std::span<std::byte> bytes_;
  mutable bool is_changed_ = false;
};

/// Asked of each packet of a flow: those of the initiator before they are acted on, those to it
/// before they are sent. Fragments are seen where they have been put together, and pass unseen
/// where they are forwarded. The only hook that costs something for each packet.
class PacketLook {
 public:
  static constexpr HookId kId = HookId::kPacket;
  virtual PacketRuling packet(const PassingPacket& packet) = 0;

 protected:
  ~PacketLook() = default;
};

}  // namespace gateway::hooks
