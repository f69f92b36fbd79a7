// HookDesk: asks and tells the hooks of apps on behalf of one shard, and carries the app's contexts
// from the first packet of a flow to its end.
//
// Theory of operation
//
//   new flow -> rules: flow_decide -> ruled -> app: flow_decide -> Decision
//
// The rules are the first app of every shard (rules_app.h); the second is the one that the program
// was built with, if it was. Each is asked once per flow, dial, accepted connection and end of a
// flow, never per packet but where the app has the hook of packets. What a hook is told is put
// together here from the flow's record; what it answers is checked here, and what cannot be done is
// logged as a failure of the app, and the default is taken.
//
// A flow's context lives in a map beside the flow table, and only when the app has put something
// there. The one that flow_decide fills waits, with the hook's trace, until the flow is opened.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/endpoint.h"
#include "base/fd.h"
#include "flows/flow.h"
#include "flows/packet.h"
#include "gateway/config/settings.h"
#include "gateway/flow/flow_keeper.h"
#include "gateway/gateway_addresses.h"
#include "gateway/hooks/app.h"
#include "gateway/hooks/hook_runner.h"
#include "gateway/hooks/hook_trace.h"
#include "gateway/hooks/rules_app.h"
#include "gateway/inspect/explanation.h"
#include "gateway/inspect/hook_report.h"
#include "gateway/policy/flow_facts.h"
#include "gateway/policy/policy.h"
#include "gateway/policy/rulings.h"

namespace gateway {

/// Belongs to the shard's thread.
class HookDesk final : public FlowKeeper::Observer {
 public:
  /// Everything passed in but `addresses` outlives the desk.
  HookDesk(const Settings& settings, FlowKeeper& flows, Rulings& rulings,
           const GatewayAddresses& addresses);

  /// Before the first flow; without, only the rules are asked.
  void set_app(std::unique_ptr<hooks::ShardHooks> app, std::string name);

  /// Whether somebody may still change what the rules say: see decide().
  [[nodiscard]] bool asks_app_of_flows() const { return runner_.has<hooks::FlowDecide>(); }

  /// What becomes of a new flow. `packet`: its first; null: as in FlowStart.
  Decision decide(const FlowFacts& facts, Tunnel& tunnel, const flows::Packet* packet);

  /// What decide() would say of a flow that does not begin: `flowctl explain` asks. `tunnel` null:
  /// it is not known which.
  struct Considered {
    Decision decision;
    std::optional<AppVerdict> app;  // nothing: it was not asked
  };
  Considered consider(const FlowFacts& facts, const Tenant& tenant, const Tunnel* tunnel,
                      const flows::Packet& packet);

  /// The same for a flow that lives and was decided by the rules `before`, because there are others
  /// now. Nothing: the rule that decided it still does.
  std::optional<Decision> decide_again(flows::FlowIndex flow, const FlowFacts& facts,
                                       const Policy& before);

  /// Whether look_at() asks anybody.
  [[nodiscard]] bool looks_at_packets() const { return runner_.has<hooks::PacketLook>(); }
  enum class Look : std::uint8_t { kPass, kChanged, kDrop };
  /// kChanged: passes, and its checksum is to be made right.
  [[nodiscard]] Look look_at(flows::FlowIndex flow, flows::Side sender,
                             const flows::Packet& headers, std::span<std::byte> bytes);

  /// How the upstream of a connection comes about.
  struct Egress {
    enum class Kind : std::uint8_t { kDial, kUse, kRefuse, kNoSuchName };
    Kind kind = Kind::kDial;
    std::vector<base::Endpoint> upstreams{};  // kDial: one after the other; none: as the flow says
    base::Fd socket{};                        // kUse: non-blocking
  };
  Egress egress(flows::FlowIndex flow);
  /// Whether an app may send flows elsewhere than was decided: one of its egress hooks may.
  [[nodiscard]] bool may_take_elsewhere(flows::Protocol protocol) const {
    return protocol == flows::Protocol::kTcp
               ? runner_.has<hooks::EgressDecide>() || runner_.has<hooks::EgressResolve>() ||
                     runner_.has<hooks::EgressChoose>()
               : runner_.has<hooks::EgressDatagrams>() && protocol == flows::Protocol::kUdp;
  }
  /// How the datagrams of `flow` leave: as it says, already checked.
  hooks::DatagramRuling egress_datagrams(flows::FlowIndex flow);
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

  // Whether the app has a word in what the rules have just decided.
  [[nodiscard]] bool is_app_asked() const {
    return asks_app_of_flows() && !rules_.decided().is_over_limit;
  }
  // What the app says, told what the rules have `ruled`; no opinion where that cannot be.
  hooks::FlowRuling ask_app(hooks::FlowStart start, const hooks::FlowRuling& ruled);
  // The decision that follows.
  Decision decide_after(const hooks::FlowRuling& ruled, const hooks::FlowStart& start);
  // That of the app's `ruling`, where the rules have `ruled`.
  [[nodiscard]] Decision decision_of(const hooks::FlowRuling& ruling,
                                     const hooks::FlowRuling& ruled) const;
  // Of a flow that is not in the table.
  [[nodiscard]] static hooks::FlowView view_of(const FlowFacts& facts, const Tenant& tenant,
                                               const Tunnel* tunnel, hooks::ContextSlot& context);
  // hook_desk_egress.cc
  hooks::EgressRuling decide_egress(flows::FlowIndex flow);
  Egress find_upstreams(flows::FlowIndex flow, std::string_view given, base::Port port);
  std::vector<base::IpAddress> told_addresses(flows::FlowIndex flow, std::string_view name,
                                              base::Port port);
  hooks::Resolution resolve(flows::FlowIndex flow, std::string_view name,
                            const std::vector<base::IpAddress>& known);
  hooks::AddressOrder choose(flows::FlowIndex flow, std::string_view name,
                             const std::vector<base::IpAddress>& candidates, std::size_t usual);
  // A failure of the app, which is said.
  void cannot_be(hooks::HookId hook, std::uint64_t flow, const std::string& answer);
  [[nodiscard]] hooks::FlowView view_of(flows::FlowIndex index, hooks::ContextSlot& context) const;

  std::unique_ptr<hooks::ShardHooks> app_;  // null: there are only the rules
  std::string app_name_;
  FlowKeeper& flows_;
  const Rulings& rulings_;
  const GatewayAddresses addresses_;
  hooks::HookTrace trace_;
  RulesApp rules_;
  hooks::HookRunner rules_runner_{trace_, hooks::HookApp::kRules};
  hooks::HookRunner runner_{trace_};
  std::unordered_map<std::uint32_t, std::string> tenants_;  // names
  std::unordered_map<flows::FlowIndex, hooks::ContextSlot> contexts_;
  hooks::ContextSlot decided_;  // waits for the flow with the key
  std::optional<flows::FlowKey> deciding_;
};

}  // namespace gateway
