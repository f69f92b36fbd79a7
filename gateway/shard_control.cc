// Shard, as far as other threads ask it: what it does for them on its own.
#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "gateway/flow/sandbox_plan.h"
#include "gateway/inspect/packet_text.h"
#include "gateway/log.h"
#include "gateway/policy/explain.h"
#include "gateway/policy/flow_plan.h"
#include "gateway/shard.h"

namespace gateway {

using base::Unexpected;
using flows::Drop;
using flows::EndReason;
using flows::FlowIndex;

namespace {

void follow_limits(TenantSettings& settings, const TenantSettings& wanted) {
  settings.max_flows = wanted.max_flows;
  settings.max_dials = wanted.max_dials;
  settings.max_udp_sockets = wanted.max_udp_sockets;
  settings.max_half_open = wanted.max_half_open;
  settings.max_connections = wanted.max_connections;
  settings.max_new_flows = wanted.max_new_flows;
  settings.max_new_flows_of_tunnel = wanted.max_new_flows_of_tunnel;
  settings.bandwidth = wanted.bandwidth;
}

}  // namespace

base::Duration Shard::processor_time() {
  clockid_t clock{};
  timespec used{};
  CHECK(::pthread_getcpuclockid(thread_.native_handle(), &clock) == 0 &&
        ::clock_gettime(clock, &used) == 0);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

std::future<pid_t> Shard::sandbox_helper() {
  return ask([this] { return sandbox_.helper_pid(); });
}

std::future<bool> Shard::kill_flow(std::uint64_t id) {
  return ask([this, id] { return kill_now(id); });
}

bool Shard::kill_now(std::uint64_t id) {
  bool found = false;
  flows_.for_each([&](FlowIndex index) {
    const flows::Flow& flow = flows_[index];
    if (flow.id == id && flow.end_reason == EndReason::kNone) {
      found = true;
      if (flow.binding != flows::kNone32) {
        upgrade_.reset_unaccepted(index);
      }
      flows_.retire(index, EndReason::kKilled, loop_.now());
    }
  });
  return found;
}

void Shard::start_capture(CaptureJob job) {
  loop_.post([this, job = std::move(job)] { path_.capture().add(job); });
}

void Shard::stop_capture(std::uint64_t id) {
  loop_.post([this, id] { path_.capture().remove(id); });
}

std::future<std::uint64_t> Shard::reload(std::shared_ptr<const Policy> policy,
                                         std::shared_ptr<const Settings> settings) {
  return ask([this, policy = std::move(policy), settings = std::move(settings)] {
    return reload_now(policy, *settings);
  });
}

std::uint64_t Shard::reload_now(const std::shared_ptr<const Policy>& policy,
                                const Settings& settings) {
  hooks_.reloaded(settings);
  flows_.set_timeouts(settings.flows.timeouts);
  for (const TenantSettings& wanted : settings.tenants) {
    if (const auto tenant = tenants_.find(wanted.name); tenant != tenants_.end()) {
      follow_limits(tenant->second->settings, wanted);
    }
  }
  prepare_for(settings.rules);
  const std::shared_ptr<const Policy> before = rulings_.shared_policy();
  rulings_.replace(policy);
  if (!policy->asks_for_bit_rate()) {
    flows_.for_each_tunnel([](Tunnel& tunnel) { tunnel.carried_rate.forget(); });
  }
  upgrade_.forget_other_addresses();
  std::uint64_t ended = 0;
  flows_.for_each([&](FlowIndex index) {
    if (is_as_ruled(index, *before)) {
      return;
    }
    if (flows::is_denied(flows_[index])) {
      flows_.end(index, EndReason::kPolicy);  // its next packet is judged anew
      return;
    }
    if (flows_[index].binding == flows::kNone32) {
      flows_.end(index, EndReason::kPolicy);
    } else {
      upgrade_.reset_unaccepted(index);
      flows_.retire(index, EndReason::kPolicy, loop_.now());
    }
    if (++ended % kResetsAtOnce == 0) {
      sandbox_.drain();
    }
  });
  set_bandwidths(*policy);  // last: flows have the rules now that bound them
  return ended;
}

bool Shard::is_as_ruled(FlowIndex index, const Policy& before) {
  flows::Flow& flow = flows_[index];
  const bool is_over = flow.end_reason != EndReason::kNone && !flows::is_denied(flow);
  Tunnel* tunnel = flows_.tunnel(flow.tunnel);
  if (is_over || tunnel == nullptr || flow.action == flows::Action::kDowngrade) {
    return true;  // no rule has decided about a published port
  }
  const bool is_upgraded = flow.action == flows::Action::kUpgrade;
  const FlowFacts facts = facts_of(flow.key, tunnel->tenant(), tunnel, flows_, loop_.now());
  const auto decision = hooks_.decide_again(index, facts, before);
  if (!decision) {
    return true;
  }
  const auto goes_by = [&](const Decision& ruled) {
    return flow.upstream == upstream_of(ruled, flow.key.destination, path_.addresses());
  };
  // Where it does not go by the rules as they were, an app has taken it there, whose word stands.
  const bool is_apps = hooks_.may_take_elsewhere(flow.key.protocol) &&
                       !goes_by(before.decision_of(before.position_of(flow.rule), facts));
  const bool goes_there = !is_upgraded || is_apps || goes_by(*decision);
  const bool same = decision->action == flow.action &&
                    decision->then_downgrade == flows::is_upgraded_then_downgraded(flow) &&
                    goes_there;
  if (same) {
    flow.rule = decision->rule;
  }
  return same;
}

std::future<base::Result<Explanation, std::string>> Shard::explain(const ExplainQuery& query) {
  return ask([this, query] { return explain_now(query); });
}

base::Result<Explanation, std::string> Shard::explain_now(const ExplainQuery& query) {
  const auto packet = parse_packet_text(query.packet);
  if (!packet) {
    return Unexpected{packet.error().to_string()};
  }
  const auto tenant =
      query.tenant.empty() && tenants_.size() == 1 ? tenants_.begin() : tenants_.find(query.tenant);
  if (tenant == tenants_.end()) {
    return Unexpected{query.tenant.empty()
                          ? std::string("--tenant is needed: there are several tenants")
                          : "no tenant has the name '" + base::printable(query.tenant) + "'"};
  }
  const auto tunnel = tunnel_of(*tenant->second, query.tunnel, packet->source.address);
  if (!tunnel) {
    return Unexpected{tunnel.error()};
  }
  return gateway::explain(*packet, query,
                          {.rulings = rulings_,
                           .hooks = hooks_,
                           .flows = flows_,
                           .addresses = path_.addresses(),
                           .tenant = *tenant->second,
                           .tunnel = *tunnel,
                           .now = loop_.now()});
}

// The one named, by name or id; else the one that claims `source`; else the tenant's only one.
base::Result<const Tunnel*, std::string> Shard::tunnel_of(const Tenant& tenant,
                                                          const std::string& name,
                                                          const base::IpAddress& source) const {
  const Tunnel* only = nullptr;
  for (const auto& [id, tunnel] : tunnels_) {
    if (&tunnel->tenant() != &tenant) {
      continue;
    }
    if (!name.empty() && (tunnel->info().name == name || std::to_string(id) == name)) {
      return tunnel.get();
    }
    only = tunnel.get();
  }
  if (!name.empty()) {
    return Unexpected{"tenant '" + tenant.settings.name + "' has no tunnel '" +
                      base::printable(name) + "'"};
  }
  if (const auto claimed = tenant.routes.find(source)) {
    return flows_.tunnel(*claimed);
  }
  return tenant.tunnels == 1 ? only : nullptr;
}

std::future<std::optional<HookReport>> Shard::hooks_of(std::uint64_t flow) {
  return ask([this, flow] { return hooks_.report_of(flow); });
}

std::future<GatewayStatus> Shard::status() {
  return ask([this] { return status_now(); });
}

GatewayStatus Shard::status_now() const {
  GatewayStatus status;
  for (const auto& [id, tunnel] : tunnels_) {
    const TunnelInfo& info = tunnel->info();
    status.tunnels.push_back({.id = id,
                              .tenant = tunnel->tenant().settings.name,
                              .name = info.name,
                              .onramp = info.onramp,
                              .addresses = info.addresses,
                              .mtu_bytes = info.mtu_bytes,
                              .offload = info.offload,
                              .labels = info.labels,
                              .opened_ns = info.opened_ns,
                              .flows = tunnel->flows.size,
                              .up = tunnel->up,
                              .down = tunnel->down,
                              .dropped_packets = tunnel->dropped_packets});
  }
  std::ranges::sort(status.tunnels, {}, &TunnelStatus::id);
  for (const auto& [name, tenant] : tenants_) {
    status.tenants.push_back(
        {.id = tenant->settings.id,
         .name = name,
         .tunnels = tenant->tunnels,
         .flows = tenant->flows,
         .max_flows = tenant->settings.max_flows,
         .dials = tenant->dials,
         .max_dials = tenant->settings.max_dials,
         .half_open = tenant->half_open(),
         .max_half_open = tenant->settings.max_half_open,
         .connections = tenant->connections,
         .max_connections = tenant->settings.max_connections,
         .flows_total = tenant->flows_total,
         .gave_way_total = tenant->gave_way_total,
         .bits_per_second = tenant->settings.bandwidth.value_or(BitRate{}).bits_per_second});
  }
  std::ranges::sort(status.tenants, {}, &TenantStatus::id);
  for (std::size_t i = 0; i < flows::kDropCount; ++i) {
    const auto reason = static_cast<Drop>(i);
    status.drops.push_back({std::string(flows::name(reason)), std::string(flows::explain(reason)),
                            path_.drops().of(reason)});
  }
  const nat::BindingRange range = binding_range(flows_.bindings().capacity());
  status.nat = {.claimed = flows_.bindings().claimed(),
                .capacity = flows_.bindings().capacity(),
                .first_v4 = range.first_v4.to_string(),
                .first_v6 = range.first_v6.to_string(),
                .first_port = number(range.first_port),
                .last_port = number(range.last_port),
                .exhausted = path_.drops().of(Drop::kNoFreeBinding)};
  bandwidths_.for_each([&](std::uint16_t rule, std::uint32_t tenant, const Bandwidth& bandwidth) {
    const BandwidthCount count = bandwidth.count(loop_.now());
    const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(count.waited);
    status.bandwidths.push_back({.rule = rule,
                                 .tenant = tenant,
                                 .bits_per_second = bandwidth.bits_per_second(),
                                 .bytes = count.bytes,
                                 .waits = count.waits,
                                 .waited_ms = static_cast<std::uint64_t>(waited.count()),
                                 .waiting = count.waiting_now,
                                 .dropped = count.dropped});
  });
  status.rule_flows = rulings_.counts();
  status.default_rule_flows = rulings_.default_count();
  status.histograms = flows_.histograms();
  status.stats.started_ns = base::to_nanoseconds(started_);
  status.stats.flows_opened = flows_.opened();
  status.stats.flows_ended = flows_.ended();
  status.stats.flows = flows_.table().size();
  status.stats.flows_max = flows_.table().capacity();
  status.stats.tunnels = static_cast<std::uint32_t>(tunnels_.size());
  status.stats.tunnels_opened = tunnels_opened_;
  status.stats.dials = upgrade_.dials();
  status.stats.relays = upgrade_.relays();
  status.stats.relays_from_client = upgrade_.relays_from_client();
  status.stats.pipes_in_use = upgrade_.pipes_in_use();
  status.stats.pool_sockets = static_cast<std::uint32_t>(sandbox_.pool().size());
  const TcpUpgrade::RelayedBytes relayed = upgrade_.relayed();
  status.stats.relayed_up_bytes = relayed.up;
  status.stats.relayed_down_bytes = relayed.down;
  status.stats.sandbox_restarts = sandbox_restarts_;
  status.stats.hook_failures = hooks_.failures();
  status.stats.up = path_.up();
  status.stats.down = path_.down();
  return status;
}

}  // namespace gateway
