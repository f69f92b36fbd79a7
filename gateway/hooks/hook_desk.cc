#include "gateway/hooks/hook_desk.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "gateway/hooks/tcp_statistics.h"
#include "gateway/log.h"

namespace gateway {

using flows::Action;
using flows::FlowIndex;
using hooks::ContextSlot;
using hooks::EgressRuling;
using hooks::FlowRuling;

namespace {

FlowRuling as_ruling(const Decision& decision) {
  switch (decision.action) {
    case Action::kUpgrade:
      if (decision.then_downgrade) {
        return FlowRuling::upgrade_then_downgrade();
      }
      return decision.redirect
                 ? FlowRuling::redirect({decision.redirect->address, decision.redirect->port})
                 : FlowRuling::upgrade();
    case Action::kForward:
      return FlowRuling::forward();
    case Action::kReject:
      return FlowRuling::reject();
    case Action::kDrop:
    case Action::kDowngrade:  // no rule can
      break;
  }
  return FlowRuling::drop();
}

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

// A flow's context for the length of a call; what the call has put there stays with the flow.
class HookDesk::Lent {
 public:
  Lent(HookDesk& desk, FlowIndex flow) : desk_(desk), flow_(flow) {
    const auto found = desk.contexts_.find(flow);
    slot_ = found == desk.contexts_.end() ? &fresh_ : &found->second;
  }
  ~Lent() {
    if (!fresh_.is_empty()) {
      desk_.contexts_.emplace(flow_, std::move(fresh_));
    }
  }
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;

  [[nodiscard]] hooks::FlowView view() { return desk_.view_of(flow_, *slot_); }

 private:
  HookDesk& desk_;
  FlowIndex flow_;
  ContextSlot fresh_;
  ContextSlot* slot_ = nullptr;
};

HookDesk::HookDesk(std::unique_ptr<hooks::ShardHooks> app, const Settings& settings,
                   FlowKeeper& flows, const Rulings& rulings)
    : app_(std::move(app)), flows_(flows), rulings_(rulings), runner_(settings.hooks.trace) {
  runner_.set_object(*app_);
  for (const TenantSettings& tenant : settings.tenants) {
    tenants_[tenant.id] = tenant.name;
  }
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

Decision HookDesk::decide(const Decision& ruled, const FlowFacts& facts, Tunnel& tunnel,
                          const flows::Packet* packet) {
  if (!decides_flows() || ruled.is_over_limit) {
    return ruled;
  }
  decided_ = {};
  deciding_ = facts.key;
  runner_.trace().begin();
  const auto names = facts.names.all();
  return ask(ruled, facts,
             {.tenant = tunnel.tenant().settings.name,
              .tenant_id = facts.key.tenant,
              .tunnel = gateway::view_of(tunnel),
              .protocol = facts.key.protocol,
              .source = facts.key.source,
              .destination = facts.key.destination,
              .name = names.empty() ? "" : names.front().text,
              .mark = ruled.mark,
              .dscp = ruled.dscp,
              .context = decided_},
             packet);
}

Decision HookDesk::decide_again(const Decision& ruled, FlowIndex flow, const FlowFacts& facts) {
  if (!decides_flows()) {
    return ruled;
  }
  Lent lent(*this, flow);
  return ask(ruled, facts, lent.view(), nullptr);
}

Decision HookDesk::ask(const Decision& ruled, const FlowFacts& facts, const hooks::FlowView& flow,
                       const flows::Packet* packet) {
  const hooks::FlowStart start{.flow = flow,
                               .packet = packet,
                               .to_tunnel = facts.to_tunnel,
                               .ruled = as_ruling(ruled),
                               .rule = rulings_.policy().rule_name(ruled.rule)};
  const FlowRuling ruling =
      runner_.ask<&hooks::FlowDecide::flow_decide>(flow.id, FlowRuling::no_opinion(), start);
  if (ruling == start.ruled) {
    return ruled;
  }
  if (ruling.to && ruling.to->address.is_v4() != flow.destination.address.is_v4() &&
      flow.protocol != flows::Protocol::kTcp) {
    runner_.count_failure(hooks::HookId::kFlowDecide);
    log_error(
        "hook answered what cannot be hook=flow_decide answer=\"{}\": datagrams keep their "
        "family",
        hooks::answer_text(ruling));
    return ruled;
  }
  return as_decision(ruling, ruled);
}

void HookDesk::flow_opened(FlowIndex flow) {
  if (deciding_ != flows_[flow].key) {
    return;  // nobody was asked about it
  }
  deciding_.reset();
  runner_.trace().adopt(flows_[flow].id);
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

EgressRuling HookDesk::egress(FlowIndex index) {
  if (!runner_.has<hooks::EgressDecide>()) {
    return EgressRuling::connect();
  }
  Lent lent(*this, index);
  const flows::Flow& flow = flows_[index];
  const bool through_tunnel = flows::is_downgraded(flow);
  EgressRuling ruling = runner_.ask<&hooks::EgressDecide::egress_decide>(
      flow.id, EgressRuling::connect(),
      hooks::EgressStart{
          .flow = lent.view(), .upstream = flow.upstream, .through_tunnel = through_tunnel});
  const bool changes_way =
      ruling.kind == EgressRuling::Kind::kConnectTo || ruling.kind == EgressRuling::Kind::kUse;
  const bool has_no_socket = ruling.kind == EgressRuling::Kind::kUse && !ruling.socket.is_open();
  if ((changes_way && through_tunnel) || has_no_socket) {
    runner_.count_failure(hooks::HookId::kEgressDecide);
    log_error("hook answered what cannot be hook=egress_decide flow={} answer={}", flow.id,
              name(ruling.kind));
    return EgressRuling::connect();
  }
  if (ruling.kind == EgressRuling::Kind::kUse) {
    const int flags = ::fcntl(ruling.socket.get(), F_GETFL);
    ::fcntl(ruling.socket.get(), F_SETFL, flags | O_NONBLOCK);
    ::fcntl(ruling.socket.get(), F_SETFD, FD_CLOEXEC);
  }
  return ruling;
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
    runner_.count_failure(hooks::HookId::kPipelineDecide);
    log_error("hook answered what cannot be hook=pipeline_decide flow={} answer={}", flow.id,
              name(ruling));
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
  const hooks::HookTrace::FlowCalls* calls = runner_.trace().find(flow);
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
        {.hook = std::string(hook.name),
         .kind = std::string(name(hook.kind)),
         .at_us = static_cast<std::uint64_t>(since.count()),
         .took_ns = static_cast<std::uint64_t>(std::chrono::nanoseconds(call.took).count()),
         .answer = std::string(call.answer()),
         .failed = call.failed});
  }
  return report;
}

}  // namespace gateway
