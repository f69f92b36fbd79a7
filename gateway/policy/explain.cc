#include "gateway/policy/explain.h"

#include <fmt/format.h>

#include "flows/reply.h"
#include "gateway/config/setting_kinds.h"
#include "gateway/hooks/hook_desk.h"
#include "gateway/inspect/flow_json.h"
#include "gateway/inspect/packet_text.h"
#include "gateway/policy/flow_plan.h"

namespace gateway {
namespace {

using flows::Action;
using flows::Drop;

class Explainer {
 public:
  Explainer(const flows::Packet& packet, const ExplainAround& around)
      : packet_(packet),
        around_(around),
        facts_(facts_of(packet, around.tenant, around.tunnel, around.flows, around.now)) {}

  Explanation run(const ExplainQuery& query) {
    out_.packet = packet_text(packet_);
    out_.tenant = around_.tenant.settings.name;
    if (around_.tunnel != nullptr) {
      out_.tunnel = around_.tunnel->info().name;
      out_.tunnel_id = around_.tunnel->id();
    }
    if (!query.host.empty()) {
      facts_.names = {};
      facts_.names.add({.text = query.host});
    }
    out_.host = facts_.names.count == 0 ? "" : facts_.names.list.front().text;
    ask_rules();
    limits();
    decides(around_.rulings.peek(facts_));
    if (!is_refused_at_the_door() && !is_answered_by_the_gateway() && !belongs_to_a_flow() &&
        !is_unasked()) {
      HookDesk::Considered considered =
          around_.hooks.consider(facts_, around_.tenant, around_.tunnel, packet_);
      out_.app = std::move(considered.app);
      decides(considered.decision);
      a_new_flow(considered.decision);
    }
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::optional<std::uint32_t> peer() const {
    return around_.tenant.routes.find(packet_.destination.address);
  }

  [[nodiscard]] std::string tunnel_name(std::uint32_t id) const {
    const Tunnel* tunnel = around_.flows.tunnel(id);
    return tunnel == nullptr ? fmt::format("{}", id) : tunnel->info().name;
  }

  void decides(const Decision& decision) {
    out_.rule = around_.rulings.policy().rule_name(decision.rule);
    out_.action = flows::name(decision.action);
    out_.then = decision.then_downgrade ? flows::name(Action::kDowngrade) : "";
    marks(decision.mark, decision.dscp);
  }

  void ask_rules() {
    for (std::size_t i = 0; i < around_.rulings.policy().rule_count(); ++i) {
      const Rule& rule = around_.rulings.policy().rule(i);
      const auto failed = around_.rulings.policy().compiled(i).first_failed(facts_);
      out_.rules.push_back({.rule = rule.name, .matches = !failed});
      if (!failed) {
        return;
      }
      out_.rules.back().key = name(*failed);
      out_.rules.back().found = found(rule, facts_, *failed, out_.tenant);
      out_.rules.back().wanted = wanted(rule, *failed);
    }
  }

  void limits() {
    const Tenant& tenant = around_.tenant;
    const nat::BindingTable& bindings = around_.flows.bindings();
    out_.limits = {
        {"flows of the tenant", tenant.flows, tenant.settings.max_flows},
        {"dials of the tenant", tenant.dials, tenant.settings.max_dials},
        {"half-open flows of the tenant", tenant.half_open(), tenant.settings.max_half_open},
        {"connections of the tenant", tenant.connections, tenant.settings.max_connections},
        {"flows", around_.flows.quota().used(), around_.flows.quota().most()},
        {"nat slots", bindings.claimed(), bindings.capacity()}};
  }

  bool refuse(Drop why, std::string says) {
    out_.refusal = flows::name(why);
    out_.says = std::move(says);
    return true;
  }

  bool is_refused_at_the_door() {
    const base::IpAddress& source = packet_.source.address;
    if (flows::is_martian_source(source)) {
      return refuse(Drop::kMartianSource, "dropped: no packet may come from " + source.to_string());
    }
    if (around_.tunnel != nullptr && !around_.tunnel->may_send_from(source)) {
      return refuse(Drop::kSourceNotAllowed,
                    fmt::format("dropped as spoofed: tunnel {} may not send from {}", out_.tunnel,
                                source.to_string()));
    }
    return false;
  }

  bool is_answered_by_the_gateway() {
    if (is_echo_request(packet_) &&
        packet_.destination.address == around_.addresses.of_family(packet_.destination.address)) {
      out_.says = "answered by the gateway itself, whose address that is";
      return true;
    }
    if (flows::is_icmp_error(packet_)) {
      out_.says = "passed on if the packet that it quotes is of a flow, else dropped";
      return true;
    }
    return false;
  }

  bool belongs_to_a_flow() {
    const auto match = around_.flows.find(facts_.key);
    if (!match) {
      return false;
    }
    const flows::Flow& flow = around_.flows.table()[match->index];
    if (packet_.protocol == flows::Protocol::kTcp && flows::is_over(flow)) {
      return false;  // a SYN takes the place of a connection that is over
    }
    out_.flow = flow.id;
    out_.action = flows::name(flow.action);
    out_.then = flows::is_upgraded_then_downgraded(flow) ? flows::name(Action::kDowngrade) : "";
    out_.says =
        fmt::format("part of flow {}, which rule {} decided: {}", flow.id,
                    around_.rulings.policy().rule_name(flow.rule), flows::name(flow.action));
    marks(flow.mark, flow.dscp);
    say_marks();
    bandwidths(flow.rule);
    if (flow.upstream != base::Endpoint{}) {
      out_.upstream = flow.upstream.to_string();
    }
    const flows::Side other = match->sender == flows::Side::kInitiator ? flows::Side::kResponder
                                                                       : flows::Side::kInitiator;
    if (const std::uint32_t to = flows::tunnel_of(flow, other); to != flows::kNone32) {
      out_.to_tunnel = tunnel_name(to);
    }
    const std::uint32_t owner = flows::tunnel_of(flow, match->sender);
    if (around_.tunnel != nullptr && owner != flows::kNone32 &&
        !around_.flows.may_speak_for(owner, *around_.tunnel)) {
      refuse(Drop::kFlowOfAnotherTunnel,
             fmt::format("dropped: flow {} has this key, and is tunnel {}'s", flow.id,
                         tunnel_name(owner)));
    }
    return true;
  }

  bool is_unasked() {
    return !may_begin_flow(packet_) &&
           refuse(Drop::kNoFlow, "dropped: it answers what nobody has asked");
  }

  void a_new_flow(const Decision& decision) {
    const FlowPlan plan =
        plan_flow(decision,
                  {.packet = packet_,
                   .tenant = around_.tenant,
                   .tunnel = around_.tunnel == nullptr ? flows::kNone32 : around_.tunnel->id(),
                   .peer = peer()},
                  around_.addresses);
    if (plan.refusal) {
      refuse(*plan.refusal, fmt::format("refused although rule {} says {}: {}", out_.rule,
                                        out_.action, flows::explain(*plan.refusal)));
      return;
    }
    if (const auto limit = around_.flows.limit_met(around_.tenant, facts_.key, decision.action)) {
      refuse(*limit, fmt::format("refused although rule {} says {}: {}", out_.rule, out_.action,
                                 flows::explain(*limit)));
      return;
    }
    if (plan.upstream != base::Endpoint{}) {
      const bool has_ports =
          packet_.protocol == flows::Protocol::kTcp || packet_.protocol == flows::Protocol::kUdp;
      out_.upstream = has_ports ? plan.upstream.to_string() : plan.upstream.address.to_string();
    }
    out_.to_tunnel = plan.peer_tunnel == flows::kNone32 ? "" : tunnel_name(plan.peer_tunnel);
    out_.says = says(decision);
    say_marks();
    bandwidths(decision.rule);
  }

  void marks(std::uint32_t mark, flows::Dscp dscp) {
    out_.mark = mark;
    out_.dscp = dscp == flows::kOwnDscp ? "" : flows::dscp_text(dscp);
  }

  void say_marks() {
    if (out_.mark != 0) {
      out_.says += ", marked " + mark_text(out_.mark);
    }
    if (!out_.dscp.empty()) {
      out_.says += ", with DSCP " + out_.dscp;
    }
  }

  void bandwidths(std::uint16_t number) {
    const Policy& policy = around_.rulings.policy();
    if (const std::size_t at = policy.position_of(number); at < policy.rule_count()) {
      bandwidth("rule " + policy.rule(at).name, policy.rule(at).bandwidth);
    }
    bandwidth("tenant " + out_.tenant, around_.tenant.settings.bandwidth);
  }

  void bandwidth(std::string of, const std::optional<BitRate>& bound) {
    if (bound && out_.action != flows::name(Action::kReject) &&
        out_.action != flows::name(Action::kDrop)) {
      out_.bandwidths.push_back(
          {std::move(of), BitRateKind{}.print(*bound), bound->bits_per_second});
      out_.says += ", " + out_.bandwidths.back().bound + " at most with all flows of " +
                   out_.bandwidths.back().of;
    }
  }

  [[nodiscard]] std::string says(const Decision& decision) const {
    const bool tcp = packet_.protocol == flows::Protocol::kTcp;
    switch (decision.action) {
      case Action::kUpgrade:
        if (decision.then_downgrade) {
          return "upgraded, and downgraded again to tunnel " + out_.to_tunnel;
        }
        return fmt::format("upgraded{}: the gateway {} {}{}",
                           decision.redirect ? " and redirected" : "",
                           tcp ? "connects to" : "sends to", out_.upstream,
                           around_.hooks.may_take_elsewhere(packet_.protocol)
                               ? ", unless the app's hooks of the egress say otherwise"
                               : "");
      case Action::kForward:
        return "forwarded as it is, to tunnel " + out_.to_tunnel;
      case Action::kReject:
        return tcp ? "rejected with an RST" : "rejected with an ICMP error";
      case Action::kDrop:
        return "dropped without an answer";
      case Action::kDowngrade:
        break;  // no rule can
    }
    base::check_failed("action is one that a rule has", __FILE__, __LINE__);
  }

  const flows::Packet& packet_;
  const ExplainAround& around_;
  FlowFacts facts_;
  Explanation out_;
};

}  // namespace

Explanation explain(const flows::Packet& packet, const ExplainQuery& query,
                    const ExplainAround& around) {
  return Explainer(packet, around).run(query);
}

}  // namespace gateway
