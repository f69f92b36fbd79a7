#include "gateway/hooks/hook_desk.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "gateway/hooks/lent_context.h"
#include "gateway/hooks/tcp_statistics.h"
#include "gateway/log.h"
#include "gateway/log_value.h"

namespace gateway {

using flows::Action;
using flows::FlowIndex;
using hooks::ContextSlot;
using hooks::FlowRuling;

namespace {

Decision as_decision(const FlowRuling& ruling, const Decision& ruled) {
  Decision decision{.rule = flows::kHookRule,
                    .log = ruled.log,
                    .name = ruled.name,
                    .mark = ruled.mark,
                    .dscp = ruled.dscp};
  switch (ruling.kind) {
    case FlowRuling::Kind::kNoOpinion:
      return ruled;
    case FlowRuling::Kind::kUpgrade:
      decision.action = Action::kUpgrade;
      if (ruling.to) {
        decision.redirect = Redirect{ruling.to->address, ruling.to->port};
      }
      return decision;
    case FlowRuling::Kind::kUpgradeThenDowngrade:
      decision.action = Action::kUpgrade;
      decision.then_downgrade = true;
      return decision;
    case FlowRuling::Kind::kForward:
      decision.action = Action::kForward;
      return decision;
    case FlowRuling::Kind::kReject:
      decision.action = Action::kReject;
      return decision;
    case FlowRuling::Kind::kDrop:
      decision.action = Action::kDrop;
      return decision;
  }
  return ruled;
}

hooks::TunnelView view_of(const Tunnel& tunnel) {
  return {.id = tunnel.id(),
          .name = tunnel.info().name,
          .onramp = tunnel.info().onramp,
          .labels = &tunnel.info().labels};
}

// The other end of `socket`, where it has one of an Internet family.
std::optional<base::Endpoint> local_end(const base::Fd& socket) {
  base::SocketAddress address;
  if (::getsockname(socket.get(), address.data(), &address.size()) != 0) {
    return std::nullopt;
  }
  return address.endpoint();
}

}  // namespace

HookDesk::HookDesk(const Settings& settings, FlowKeeper& flows, Rulings& rulings,
                   const GatewayAddresses& addresses)
    : flows_(flows),
      rulings_(rulings),
      addresses_(addresses),
      trace_(settings.hooks.trace),
      rules_(rulings) {
  rules_runner_.set_object(rules_);
  for (const TenantSettings& tenant : settings.tenants) {
    tenants_[tenant.id] = tenant.name;
  }
  if (trace_.is_on()) {
    flows_.set_observer(*this);
  }
}

void HookDesk::set_app(std::unique_ptr<hooks::ShardHooks> app, std::string name) {
  app_ = std::move(app);
  app_name_ = std::move(name);
  runner_.set_object(*app_);
  flows_.set_observer(*this);
}

hooks::FlowView HookDesk::view_of(FlowIndex index, ContextSlot& context) const {
  const flows::Flow& flow = flows_.table()[index];
  const Tunnel* tunnel = flows_.tunnel(flow.tunnel);
  const auto tenant = tenants_.find(flow.key.tenant);
  return {.id = flow.id,
          .tenant = tenant == tenants_.end() ? std::string_view() : tenant->second,
          .tenant_id = flow.key.tenant,
          .tunnel = tunnel == nullptr
                        ? hooks::TunnelView{.id = flow.tunnel, .name = {}, .onramp = {}}
                        : gateway::view_of(*tunnel),
          .protocol = flow.key.protocol,
          .source = flow.key.source,
          .destination = flow.key.destination,
          .name = flows_.host(flow),
          .mark = flow.mark,
          .dscp = flow.dscp,
          .context = context};
}

hooks::FlowView HookDesk::view_of(const FlowFacts& facts, const Tenant& tenant,
                                  const Tunnel* tunnel, ContextSlot& context) {
  return {.tenant = tenant.settings.name,
          .tenant_id = facts.key.tenant,
          .tunnel = tunnel == nullptr ? hooks::TunnelView{} : gateway::view_of(*tunnel),
          .protocol = facts.key.protocol,
          .source = facts.key.source,
          .destination = facts.key.destination,
          .name = facts.names.count == 0 ? "" : facts.names.list.front().text,
          .context = context};
}

Decision HookDesk::decide(const FlowFacts& facts, Tunnel& tunnel, const flows::Packet* packet) {
  if (asks_app_of_flows() || trace_.is_on()) {
    decided_ = {};
    deciding_ = facts.key;
    trace_.begin();
  }
  const RulesQuestion question{{.flow = view_of(facts, tunnel.tenant(), &tunnel, decided_),
                                .packet = packet,
                                .to_tunnel = facts.to_tunnel},
                               facts};
  const FlowRuling ruled =
      rules_runner_.ask<&hooks::FlowDecide::flow_decide>(0, FlowRuling::no_opinion(), question);
  return decide_after(ruled, question);
}

HookDesk::Considered HookDesk::consider(const FlowFacts& facts, const Tenant& tenant,
                                        const Tunnel* tunnel, const flows::Packet& packet) {
  ContextSlot thrown_away;
  const RulesQuestion question{{.flow = view_of(facts, tenant, tunnel, thrown_away),
                                .packet = &packet,
                                .to_tunnel = facts.to_tunnel,
                                .hypothetical = true},
                               facts};
  const FlowRuling ruled = rules_.flow_decide(question);
  Considered considered{.decision = rules_.decided(), .app = {}};
  if (is_app_asked()) {
    const std::uint64_t failures = runner_.failures(hooks::HookId::kFlowDecide);
    // NOLINTNEXTLINE(cppcoreguidelines-slicing): what only the rules ask about is not for an app
    const FlowRuling ruling = ask_app(question, ruled);
    trace_.begin();  // this call is in no flow's
    const bool failed = runner_.failures(hooks::HookId::kFlowDecide) != failures;
    considered.app = AppVerdict{
        .app = app_name_, .answer = failed ? "" : hooks::answer_text(ruling), .failed = failed};
    considered.decision = decision_of(ruling, ruled);
  }
  return considered;
}

std::optional<Decision> HookDesk::decide_again(FlowIndex index, const FlowFacts& facts,
                                               const Policy& before) {
  const auto ruled = rules_.decide_again(flows_[index].rule, facts, before);
  if (!ruled) {
    return std::nullopt;
  }
  Lent lent(*this, index);
  return decide_after(*ruled, {.flow = lent.view(), .to_tunnel = facts.to_tunnel});
}

Decision HookDesk::decide_after(const FlowRuling& ruled, const hooks::FlowStart& start) {
  if (!is_app_asked()) {
    return rules_.decided();
  }
  return decision_of(ask_app(start, ruled), ruled);
}

// An app that says what the rules say leaves the flow to its rule.
Decision HookDesk::decision_of(const FlowRuling& ruling, const FlowRuling& ruled) const {
  return ruling == ruled ? rules_.decided() : as_decision(ruling, rules_.decided());
}

FlowRuling HookDesk::ask_app(hooks::FlowStart start, const FlowRuling& ruled) {
  start.ruled = ruled;
  start.rule = rulings_.policy().rule_name(rules_.decided().rule);
  if (start.flow.id == 0) {  // it has no marks of its own yet
    start.flow.mark = rules_.decided().mark;
    start.flow.dscp = rules_.decided().dscp;
  }
  const FlowRuling ruling =
      runner_.ask<&hooks::FlowDecide::flow_decide>(start.flow.id, FlowRuling::no_opinion(), start);
  const bool changes_family =
      ruling.to && ruling.to->address.is_v4() != start.flow.destination.address.is_v4();
  if (changes_family && start.flow.protocol != flows::Protocol::kTcp) {
    cannot_be(hooks::HookId::kFlowDecide, start.flow.id,
              hooks::answer_text(ruling) + ": datagrams keep their family");
    return FlowRuling::no_opinion();
  }
  return ruling;
}

void HookDesk::flow_opened(FlowIndex flow) {
  if (deciding_ != flows_[flow].key) {
    return;  // nobody was asked about it
  }
  deciding_.reset();
  trace_.adopt(flows_[flow].id);
  if (!decided_.is_empty()) {
    contexts_[flow] = std::exchange(decided_, {});
  }
}

void HookDesk::flow_ended(FlowIndex index) {
  if (runner_.has<hooks::FlowEnd>()) {
    Lent lent(*this, index);
    const flows::Flow& flow = flows_[index];
    const std::int64_t lived_ns = base::to_nanoseconds(base::Clock::now()) - flow.created_ns;
    runner_.tell<&hooks::FlowEnd::flow_end>(
        flow.id, hooks::FlowEnded{.flow = lent.view(),
                                  .action = flow.action,
                                  .rule = rulings_.policy().rule_name(flow.rule),
                                  .reason = flow.end_reason,
                                  .up = flow.up,
                                  .down = flow.down,
                                  .age = std::chrono::nanoseconds(lived_ns)});
  }
  contexts_.erase(index);
}

HookDesk::Look HookDesk::look_at(FlowIndex index, flows::Side sender, const flows::Packet& headers,
                                 std::span<std::byte> bytes) {
  Lent lent(*this, index);
  const hooks::FlowView flow = lent.view();
  const hooks::PassingPacket packet(flow, sender, headers, bytes);
  const auto ruling =
      runner_.ask<&hooks::PacketLook::packet>(flow.id, hooks::PacketRuling::kPass, packet);
  if (ruling == hooks::PacketRuling::kDrop) {
    return Look::kDrop;
  }
  return packet.is_changed() ? Look::kChanged : Look::kPass;
}

void HookDesk::cannot_be(hooks::HookId hook, std::uint64_t flow, const std::string& answer) {
  runner_.count_failure(hook);
  log_error("hook answered what cannot be hook={} flow={} answer={}", info(hook).name, flow,
            LogValue{answer});
}

void HookDesk::established(FlowIndex index, const base::Fd& upstream) {
  if (runner_.has<hooks::EgressEstablished>()) {
    Lent lent(*this, index);
    const flows::Flow& flow = flows_[index];
    runner_.tell<&hooks::EgressEstablished::egress_established>(
        flow.id, hooks::EgressUp{
                     .flow = lent.view(), .upstream = flow.upstream, .local = local_end(upstream)});
  }
}

bool HookDesk::lets_in(FlowIndex index) {
  if (!runner_.has<hooks::IngressDecide>()) {
    return true;
  }
  Lent lent(*this, index);
  const flows::Flow& flow = flows_[index];
  return runner_.ask<&hooks::IngressDecide::ingress_decide>(
             flow.id, hooks::IngressRuling::kAllow,
             hooks::IngressStart{.flow = lent.view(), .upstream = flow.upstream}) ==
         hooks::IngressRuling::kAllow;
}

hooks::PipelineRuling HookDesk::pipeline(FlowIndex index) {
  using hooks::PipelineRuling;
  if (!runner_.has<hooks::PipelineDecide>()) {
    return PipelineRuling::kRelay;
  }
  Lent lent(*this, index);
  const flows::Flow& flow = flows_[index];
  const PipelineRuling ruling = runner_.ask<&hooks::PipelineDecide::pipeline_decide>(
      flow.id, PipelineRuling::kRelay,
      hooks::PipelineStart{.flow = lent.view(), .upstream = flow.upstream});
  const bool can_be = ruling == PipelineRuling::kRelay ||
                      (ruling == PipelineRuling::kWatch ? runner_.has<hooks::PipelineBytes>()
                                                        : runner_.has<hooks::PipelineTake>());
  if (!can_be) {
    cannot_be(hooks::HookId::kPipelineDecide, flow.id, std::string(name(ruling)));
  }
  return can_be ? ruling : PipelineRuling::kRelay;
}

void HookDesk::take(FlowIndex index, hooks::TakenConnection connection) {
  Lent lent(*this, index);
  hooks::PipelineTaken taken{.flow = lent.view(), .connection = std::move(connection)};
  runner_.tell<&hooks::PipelineTake::pipeline_take>(flows_[index].id, taken);
}

bool HookDesk::passes(FlowIndex index, flows::Side sender, std::uint64_t offset,
                      std::span<const std::byte> bytes) {
  Lent lent(*this, index);
  return runner_.ask<&hooks::PipelineBytes::pipeline_bytes>(
             flows_[index].id, hooks::Watching::kEnough,
             hooks::PipelinePassed{
                 .flow = lent.view(), .sender = sender, .offset = offset, .bytes = bytes}) ==
         hooks::Watching::kMore;
}

void HookDesk::closed(FlowIndex index, const Relayed& relayed) {
  Lent lent(*this, index);
  const flows::Flow& flow = flows_[index];
  runner_.tell<&hooks::IngressClose::ingress_close>(
      flow.id, hooks::IngressEnded{.flow = lent.view(),
                                   .reason = flow.end_reason,
                                   .up_bytes = relayed.up_bytes,
                                   .down_bytes = relayed.down_bytes,
                                   .client = hooks::statistics_of(relayed.client),
                                   .upstream = hooks::statistics_of(relayed.upstream)});
}

void HookDesk::reloaded(const Settings& settings) {
  runner_.tell<&hooks::ShardReload::shard_reload>(0,
                                                  hooks::GatewayReload{.settings = settings.app});
}

std::optional<HookReport> HookDesk::report_of(std::uint64_t flow) {
  const hooks::HookTrace::FlowCalls* calls = trace_.find(flow);
  if (calls == nullptr) {
    return std::nullopt;
  }
  HookReport report{.flow = flow, .count = calls->count, .calls = {}};
  const std::size_t kept = std::min<std::size_t>(calls->count, calls->calls.size());
  for (const hooks::HookCall& call : std::span(calls->calls).first(kept)) {
    const hooks::HookInfo& hook = info(call.hook);
    const auto since =
        std::chrono::duration_cast<std::chrono::microseconds>(call.at - calls->calls.front().at);
    report.calls.push_back(
        {.app = call.app == hooks::HookApp::kRules ? std::string(RulesApp::kName) : app_name_,
         .hook = std::string(hook.name),
         .kind = std::string(name(hook.kind)),
         .at_us = static_cast<std::uint64_t>(since.count()),
         .took_ns = static_cast<std::uint64_t>(std::chrono::nanoseconds(call.took).count()),
         .answer = std::string(call.answer()),
         .failed = call.failed});
  }
  return report;
}

}  // namespace gateway
