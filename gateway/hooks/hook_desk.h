// HookDesk: asks and tells an app's hooks on behalf of one shard, and carries the app's contexts
// from the first packet of a flow to its end.
//
// Theory of operation
//
// A shard without an app has no desk, and everybody who would ask it looks for a null pointer: once
// per flow, dial, accepted connection and end of a flow, never per packet. What a hook is told is
// put together here from the flow's record; what it answers is checked here, and what cannot be
// done is logged as a failure of the app, and the default is taken.
//
// A flow's context lives in a map beside the flow table, and only when the app has put something
// there. The one that flow_decide fills waits, with the hook's trace, until the flow is opened.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>

#include "base/endpoint.h"
#include "base/fd.h"
#include "flows/flow.h"
#include "flows/packet.h"
#include "gateway/config/settings.h"
#include "gateway/flow/flow_keeper.h"
#include "gateway/hooks/app.h"
#include "gateway/hooks/hook_runner.h"
#include "gateway/inspect/hook_report.h"
#include "gateway/policy/flow_facts.h"
#include "gateway/policy/policy.h"
#include "gateway/policy/rulings.h"

namespace gateway {

/// Belongs to the shard's thread.
class HookDesk final : public FlowKeeper::Observer {
 public:
  /// Everything passed in outlives the desk.
  HookDesk(std::unique_ptr<hooks::ShardHooks> app, const Settings& settings, FlowKeeper& flows,
           const Rulings& rulings);

  /// Whether a ruling can still change: see decide().
  [[nodiscard]] bool decides_flows() const { return runner_.has<hooks::FlowDecide>(); }

  /// What becomes of a new flow for which the rules have `ruled`. `packet`: its first; null: as in
  /// FlowStart.
  Decision decide(const Decision& ruled, const FlowFacts& facts, Tunnel& tunnel,
                  const flows::Packet* packet);

  /// The same for a flow that lives, because the rules have changed.
  Decision decide_again(const Decision& ruled, flows::FlowIndex flow, const FlowFacts& facts);

  /// Whether look_at() asks anybody.
  [[nodiscard]] bool looks_at_packets() const { return runner_.has<hooks::PacketLook>(); }
  enum class Look : std::uint8_t { kPass, kChanged, kDrop };
  /// kChanged: passes, and its checksum is to be made right.
  [[nodiscard]] Look look_at(flows::FlowIndex flow, flows::Side sender,
                             const flows::Packet& headers, std::span<std::byte> bytes);

  /// How the upstream of `flow` comes about: as it says, already checked.
  hooks::EgressRuling egress(flows::FlowIndex flow);
  /// `upstream`: the socket, which has connected.
  void established(flows::FlowIndex flow, const base::Fd& upstream);
  [[nodiscard]] bool lets_in(flows::FlowIndex flow);
  /// Who carries the bytes of a connection: the gateway, shown to passes() or not, or take().
  [[nodiscard]] hooks::PipelineRuling pipeline(flows::FlowIndex flow);
  void take(flows::FlowIndex flow, hooks::TakenConnection connection);
  /// False: it has seen enough of this direction.
  [[nodiscard]] bool passes(flows::FlowIndex flow, flows::Side sender, std::uint64_t offset,
                            std::span<const std::byte> bytes);
  /// Whether closed() tells anybody.
  [[nodiscard]] bool wants_closed() const { return runner_.has<hooks::IngressClose>(); }
  struct Relayed {
    const base::Fd& client;
    const base::Fd& upstream;
    std::uint64_t up_bytes = 0;
    std::uint64_t down_bytes = 0;
  };
  /// Before the sockets are closed.
  void closed(flows::FlowIndex flow, const Relayed& relayed);

  void reloaded(const Settings& settings);

  /// Hooks that have thrown, or given an answer that cannot be.
  [[nodiscard]] std::uint64_t failures() const { return runner_.all_failures(); }
  /// What has run for a flow; nothing where no trace of it is kept.
  [[nodiscard]] std::optional<HookReport> report_of(std::uint64_t flow);

  // FlowKeeper::Observer
  void flow_opened(flows::FlowIndex flow) override;
  void flow_ended(flows::FlowIndex flow) override;

 private:
  class Lent;

  Decision ask(const Decision& ruled, const FlowFacts& facts, const hooks::FlowView& flow,
               const flows::Packet* packet);
  [[nodiscard]] hooks::FlowView view_of(flows::FlowIndex index, hooks::ContextSlot& context) const;

  std::unique_ptr<hooks::ShardHooks> app_;
  FlowKeeper& flows_;
  const Rulings& rulings_;
  hooks::HookRunner runner_;
  std::unordered_map<std::uint32_t, std::string> tenants_;  // names
  std::unordered_map<flows::FlowIndex, hooks::ContextSlot> contexts_;
  hooks::ContextSlot decided_;  // waits for the flow with the key
  std::optional<flows::FlowKey> deciding_;
};

}  // namespace gateway
