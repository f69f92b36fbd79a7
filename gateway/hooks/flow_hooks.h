// The hooks of flows: what becomes of a new one, and that one is over.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/endpoint.h"
#include "base/time.h"
#include "flows/flow.h"
#include "flows/packet.h"
#include "gateway/hooks/context.h"
#include "gateway/hooks/hook_id.h"

namespace gateway::hooks {

/// The tunnel that a flow begins in. What it borrows lives for the call.
struct TunnelView {
  std::uint32_t id = 0;
  std::string_view name;
  std::string_view onramp;                                     // "seqpacket", "tun", "gue"
  const std::map<std::string, std::string>* labels = nullptr;  // null: none are known

  /// The value of a label; nothing: it has none of this name.
  [[nodiscard]] std::optional<std::string_view> label(const std::string& key) const {
    if (labels == nullptr || !labels->contains(key)) {
      return std::nullopt;
    }
    return labels->at(key);
  }
};

/// Who speaks to whom: what every hook of a flow is told. What it borrows lives for the call.
struct FlowView {
  std::uint64_t id = 0;  // as flowctl shows it; 0: the flow has not been opened yet
  std::string_view tenant;
  std::uint32_t tenant_id = 0;
  TunnelView tunnel;
  flows::Protocol protocol{};
  base::Endpoint source;               // the initiator's
  base::Endpoint destination;          // as the initiator has asked for it
  std::string_view name;               // that a name server has told the tenant for it; empty: none
  std::uint32_t mark = 0;              // that its rule gives it; 0: none
  flows::Dscp dscp = flows::kOwnDscp;  // the same
  ContextSlot& context;
};

/// What becomes of a flow.
struct FlowRuling {
  enum class Kind : std::uint8_t {
    kNoOpinion,  // as the rules have ruled
    kUpgrade,
    kUpgradeThenDowngrade,
    kForward,
    kReject,
    kDrop,
  };
  Kind kind = Kind::kNoOpinion;
  std::optional<base::Endpoint> to{};  // kUpgrade: dialled instead; port 0: the one asked for

  static FlowRuling no_opinion() { return {}; }
  static FlowRuling upgrade() { return {.kind = Kind::kUpgrade}; }
  /// To the tunnel that claims the destination, through sockets of the gateway.
  static FlowRuling upgrade_then_downgrade() { return {.kind = Kind::kUpgradeThenDowngrade}; }
  static FlowRuling forward() { return {.kind = Kind::kForward}; }
  static FlowRuling reject() { return {.kind = Kind::kReject}; }
  static FlowRuling drop() { return {.kind = Kind::kDrop}; }
  static FlowRuling redirect(const base::Endpoint& to) {
    return {.kind = Kind::kUpgrade, .to = to};
  }
  friend bool operator==(const FlowRuling&, const FlowRuling&) = default;
};
std::string_view name(FlowRuling::Kind kind);  // "no_opinion"

struct FlowStart {
  FlowView flow;
  /// The headers of its first packet; null where there is none: a UDP peer has spoken first, or the
  /// rules have changed and the flow is judged again.
  const flows::Packet* packet = nullptr;
  bool to_tunnel = false;  // an open tunnel of the tenant claims the destination
  /// Somebody asks what would become of it (`flowctl explain`): no flow begins, so there is nothing
  /// to count, and what is put into its context is thrown away. Its id is 0, its tunnel may be
  /// unknown.
  bool hypothetical = false;
  FlowRuling ruled{};       // what the rules say; never kNoOpinion
  std::string_view rule{};  // which of them
};

/// Asked when the 5-tuple of a new flow is known, before anything is answered. The rules of the
/// file have this hook, too, and are asked first.
class FlowDecide {
 public:
  static constexpr HookId kId = HookId::kFlowDecide;
  virtual FlowRuling flow_decide(const FlowStart& start) = 0;

 protected:
  ~FlowDecide() = default;
};

struct FlowEnded {
  FlowView flow;
  flows::Action action{};
  std::string_view rule;
  flows::EndReason reason{};
  flows::WireCount up;  // from the initiator, whole IP packets
  flows::WireCount down;
  base::Duration age{};
};

/// Told once of each flow that was opened, with its last counters.
class FlowEnd {
 public:
  static constexpr HookId kId = HookId::kFlowEnd;
  virtual void flow_end(const FlowEnded& ended) = 0;

 protected:
  ~FlowEnd() = default;
};

}  // namespace gateway::hooks
