#include "gateway/shard.h"

#include <pthread.h>
#include <sys/random.h>
#include <time.h>

#include <algorithm>

#include "base/check.h"
#include "base/utf8.h"
#include "gateway/flow/sandbox_plan.h"
#include "gateway/inspect/packet_text.h"
#include "gateway/log.h"
#include "gateway/log_control.h"
#include "gateway/onramp/seqpacket_tunnel.h"
#include "gateway/onramp/tun_tunnel.h"
#include "gateway/policy/explain.h"
#include "gateway/policy/flow_plan.h"
#include "gateway/policy/rejudge.h"

namespace gateway {

using base::Fd;
using base::SysResult;
using base::Unexpected;
using flows::Drop;
using flows::EndReason;
using flows::FlowIndex;
using flows::FlowState;

namespace {

constexpr std::uint32_t kResetsAtOnce = 128;  // chosen: the TUN's queue has room for 500

flows::HashSeed random_seed() {
  flows::HashSeed seed;
  // 16 bytes come whole once the kernel's pool is up (getrandom(2)).
  CHECK(::getrandom(&seed, sizeof(seed), 0) == sizeof(seed));
  return seed;
}

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

SysResult<std::unique_ptr<Shard>> Shard::create(const Place& place) {
  auto loop = EventLoop::create();
  if (!loop) {
    return Unexpected{loop.error()};
  }
  auto region = FlowRegion::create(flows::FlowTable::region_bytes(place.settings.flows.max));
  if (!region) {
    return Unexpected{region.error()};
  }
  auto sandbox = SandboxLink::make(place.settings.io.tun_offload, place.settings.confine);
  if (!sandbox) {
    return Unexpected{sandbox.error()};
  }
  auto timer = TimerAlarm::make_timer();
  if (!timer) {
    return Unexpected{timer.error()};
  }
  std::unique_ptr<Shard> shard(new Shard(place, std::move(loop).value(), std::move(region).value(),
                                         std::move(timer).value(), random_seed()));
  if (auto started = shard->alarm_.start(shard->pacer_); !started) {
    return Unexpected{started.error()};
  }
  if (auto installed = shard->sandbox_.install(std::move(sandbox).value()); !installed) {
    return Unexpected{installed.error()};
  }
  return shard;
}

Shard::Shard(const Place& place, EventLoop loop, FlowRegion region, Fd timer, flows::HashSeed seed)
    : loop_(std::move(loop)),
      region_(std::move(region)),
      flows_(region_, place.settings, seed, place.audit, loop_.now(), place.flows),
      sandbox_(loop_, arena_, place.settings.io.coalesce, *this),
      rulings_(place.policy),
      alarm_(loop_, std::move(timer)),
      path_(loop_, flows_, rulings_, sandbox_, place.addresses,
            {place.settings.flows.timeouts.fragments, {seed.low, seed.high}}),
      downgrade_(flows_, sandbox_),
      upgrade_(loop_, flows_, sandbox_, downgrade_, place.settings.handshake, path_),
      udp_(loop_, flows_, arena_, place.settings.udp.filter, {seed.low, seed.high}, path_),
      ping_(loop_, flows_, arena_, {seed.low, seed.high}, path_),
      published_flows_(loop_, flows_, place.addresses),
      tcp_publisher_(loop_, published_flows_, upgrade_,
                     [this](Drop reason) { path_.dropped(reason); }),
      udp_publisher_(loop_, flows_, published_flows_, arena_, {seed.low, seed.high}, path_),
      upgrades_(flows_, upgrade_, downgrade_, udp_, ping_, udp_publisher_),
      number_(place.flows.shard),
      settings_(place.settings),
      audit_(place.audit),
      hash_key_{seed.low, seed.high},
      tunnel_away_(place.settings.flows.timeouts.tunnel_away) {
  flows_.set_servant(upgrades_);
  path_.set_upgrades(upgrades_);
  for (const TenantSettings& tenant : settings_.tenants) {
    tenants_[tenant.name] = std::make_unique<Tenant>(tenant);
  }
  prepare_for(settings_.rules);
  path_.set_bandwidths(bandwidths_);
  upgrade_.set_bandwidths(bandwidths_, pacer_);
  set_bandwidths(*place.policy);
}

void Shard::set_bandwidths(const Policy& policy) {
  bandwidths_.set_rules(policy, loop_.now());
  for (const auto& [name, tenant] : tenants_) {
    bandwidths_.set_tenant(*tenant, loop_.now());
  }
  upgrade_.rebound();
  bandwidths_.forget_removed();
  pacer_.serve(loop_.now());  // who waits by the old rates waits by the new ones
}

void Shard::prepare_for(const std::vector<Rule>& rules) {
  if (std::ranges::any_of(rules, [](const Rule& rule) { return rule.then.has_value(); })) {
    sandbox_.pool().keep_filled();
  }
}

Shard::~Shard() {
  if (thread_.joinable()) {
    loop_.post([this] { shut_down(); });
    loop_.stop();
    thread_.join();
  } else {
    shut_down();
  }
}

void Shard::set_hooks(std::unique_ptr<hooks::ShardHooks> app) {
  hooks_ = std::make_unique<HookDesk>(std::move(app), settings_, flows_, rulings_);
  flows_.set_observer(*hooks_);
  path_.set_hooks(*hooks_);
  upgrade_.set_hooks(*hooks_);
}

void Shard::start(bool may_poll) {
  if (may_poll) {
    loop_.set_busy_poll(settings_.io.busy_poll);
  }
  loop_.set_tick(flows::ExpiryWheel::kTick, [this](base::Instant now) { tick(now); });
  thread_ = std::thread([this] { loop_.run(); });
}

void Shard::add_tunnel(Kind kind, Fd fd, TunnelInfo info, const std::string& tenant,
                       const std::string& reply) {
  // std::function copies, so what it captures must be copyable.
  ++open_tunnels_;
  auto shared_fd = std::make_shared<Fd>(std::move(fd));
  loop_.post([this, kind, shared_fd, info = std::move(info), tenant, reply]() mutable {
    Tenant& owner = *tenants_.at(tenant);
    for (const TenantRoute& route : owner.settings.routes) {
      if (route.tunnel == info.name) {
        info.routed.push_back(route.prefix);
      }
    }
    if (kind == Kind::kTun) {
      open_tunnel(std::make_unique<TunTunnel>(std::move(info), owner, std::move(*shared_fd), loop_,
                                              arena_, *this));
    } else {
      open_tunnel(std::make_unique<SeqpacketTunnel>(std::move(info), owner, std::move(*shared_fd),
                                                    loop_, turns_, arena_, *this, reply));
    }
  });
}

void Shard::publish(HostPort port, const std::string& tenant, const base::Endpoint& to) {
  auto shared_port = std::make_shared<HostPort>(std::move(port));
  loop_.post([this, shared_port, tenant, to] {
    publish_now(std::move(*shared_port), *tenants_.at(tenant), to);
  });
}

void Shard::publish_now(HostPort port, Tenant& tenant, const base::Endpoint& to) {
  const base::Endpoint local = port.local;
  const bool tcp = port.protocol == flows::Protocol::kTcp;
  if (tcp) {
    sandbox_.pool().keep_filled();
  }
  const auto published = tcp ? tcp_publisher_.publish(std::move(port.socket), tenant, to)
                             : udp_publisher_.publish(std::move(port.socket), tenant, to);
  if (!published) {
    log_error("port not published listen={} error=\"{}\"", local.to_string(),
              published.error().message());
  }
}

template <class T>
void Shard::open_tunnel(std::unique_ptr<T> tunnel) {
  if (auto started = tunnel->start(); !started) {
    log_error("tunnel not opened tunnel={} error=\"{}\"", tunnel->id(), started.error().message());
    --open_tunnels_;
    return;
  }
  const TunnelInfo& info = tunnel->info();
  for (const auto* prefixes : {&info.addresses, &info.routed}) {
    for (const base::IpPrefix& prefix : *prefixes) {
      tunnel->tenant().routes.add(prefix, info.id);
    }
  }
  admit(std::move(tunnel), LogLevel::kInfo);
}

void Shard::admit(std::unique_ptr<Tunnel> tunnel, LogLevel level) {
  const TunnelInfo& info = tunnel->info();
  ++tunnel->tenant().tunnels;
  ++tunnels_opened_;
  flows_.add_tunnel(*tunnel);
  log_at(level, "tunnel opened tunnel={} name={} tenant={} onramp={} mtu={}", info.id, info.name,
         tunnel->tenant().settings.name, info.onramp, info.mtu_bytes);
  tell_of(*tunnel, TunnelEvent::Kind::kOpen);
  Tunnel& opened = *tunnel;
  tunnels_.emplace(info.id, std::move(tunnel));
  if (info.has_own_name) {
    come_back(opened);
  }
}

// A tunnel with the name of one that is open, or was a moment ago, is that one again: a peer that
// lost its connection may know so long before we do.
void Shard::come_back(Tunnel& tunnel) {
  Tenant& tenant = tunnel.tenant();
  const std::string& name = tunnel.info().name;
  if (const auto open = tenant.named.find(name); open != tenant.named.end()) {
    Tunnel& superseded = *tunnels_.at(open->second);
    hand_over(superseded, tunnel);
    remove_tunnel(superseded);
  } else if (const auto away = away_.take(tenant, name)) {
    hand_over(*away, tunnel);
    flows_.remove_tunnel(*away);
  }
  tenant.named[name] = tunnel.id();
}

void Shard::hand_over(Tunnel& from, Tunnel& to) {
  if (from.flows + from.peer_flows == 0) {
    return;
  }
  flows_.for_each([&](FlowIndex index) {
    flows::Flow& flow = flows_[index];
    const bool initiates = flows::tunnel_of(flow, flows::Side::kInitiator) == from.id();
    const bool responds = flows::tunnel_of(flow, flows::Side::kResponder) == from.id();
    if ((initiates && !to.may_send_from(flow.key.source.address)) ||
        (responds && !to.may_send_from(flow.key.destination.address))) {
      flows_.end(index, EndReason::kTunnelClosed);
      return;
    }
    if (flow.tunnel == from.id()) {
      flow.tunnel = to.id();
      --from.flows;
      ++to.flows;
      if (flows_.waits(index)) {
        --from.waiting;
        ++to.waiting;
      }
    }
    if (flow.peer_tunnel == from.id()) {
      flow.peer_tunnel = to.id();
      --from.peer_flows;
      ++to.peer_flows;
    }
  });
  udp_.tunnel_changed(from.id(), to.id());
  ping_.tunnel_changed(from.id(), to.id());
  log_info("tunnel came back tunnel={} was={} flows={}", to.id(), from.id(), to.flows);
}

void Shard::add_gue_door(GueSocket socket, const Onramp& onramp, RegisterTunnel register_tunnel,
                         std::shared_ptr<GueExchange> others) {
  auto shared = std::make_shared<GueSocket>(std::move(socket));
  loop_.post([this, shared, &onramp, register_tunnel = std::move(register_tunnel),
              others = std::move(others)] {
    register_ = register_tunnel;
    open_gue_door(std::move(*shared), onramp, others);
  });
}

void Shard::open_gue_door(GueSocket socket, const Onramp& onramp,
                          std::shared_ptr<GueExchange> others) {
  gue_doors_.push_back(std::make_unique<GueDoor>(std::move(socket), *onramp.gue, hash_key_,
                                                 GueDoor::Surroundings{.loop = loop_,
                                                                       .arena = arena_,
                                                                       .flows = flows_,
                                                                       .tenants = settings_.tenants,
                                                                       .owner = *this},
                                                 GueDoor::Others{number_, others}));
  GueDoor& door = *gue_doors_.back();
  for (const auto& [name, tenant] : tenants_) {
    if (others && !others->is_home(number_, tenant->settings.id)) {
      continue;
    }
    for (const TenantRoute& route : tenant->settings.routes) {
      const auto at =
          route.gue ? gue_onramp_for(settings_.onramps, name, route.gue->address) : std::nullopt;
      if (at && &settings_.onramps[*at] == &onramp) {
        door.add_route(*tenant, route);
      }
    }
  }
  if (auto started = door.start(); !started) {
    log_error("gue on-ramp not opened error=\"{}\"", started.error().message());
  }
}

Tenant* Shard::tenant(std::uint32_t id) {
  for (const auto& [name, tenant] : tenants_) {
    if (tenant->settings.id == id) {
      return tenant.get();
    }
  }
  return nullptr;
}

// Whoever is heard is a peer, so it is no life event of the daemon.
void Shard::peer_heard(std::unique_ptr<Tunnel> tunnel) {
  ++open_tunnels_;
  admit(std::move(tunnel), LogLevel::kDebug);
}

void Shard::packets_from(Tunnel& from, std::span<RawPacket> packets) {
  path_.packets_from(from, packets);
}

void Shard::dropped(Tunnel& tunnel, Drop reason) {
  path_.dropped(tunnel, reason);
}

void Shard::tunnel_closed(Tunnel& tunnel) {
  Tenant& tenant = tunnel.tenant();
  const std::string name = tunnel.info().name;
  const bool waits =
      tunnel.info().has_own_name && away_.add(tunnel, tenant, *this, loop_.now() + tunnel_away_);
  if (!waits && tunnel.flows + tunnel.peer_flows > 0) {
    end_flows_of(tunnel);
  }
  remove_tunnel(tunnel);
  if (waits) {
    flows_.add_tunnel(away_.of(tenant, name));
  }
}

void Shard::end_away(std::unique_ptr<AwayTunnel> tunnel) {
  end_flows_of(*tunnel);
  flows_.remove_tunnel(*tunnel);
}

void Shard::remove_tunnel(Tunnel& tunnel) {
  const std::uint32_t id = tunnel.id();
  Tenant& tenant = tunnel.tenant();
  if (const auto named = tenant.named.find(tunnel.info().name);
      named != tenant.named.end() && named->second == id) {
    tenant.named.erase(named);
  }
  tunnel.tenant().routes.remove(id);
  --tunnel.tenant().tunnels;
  flows_.remove_tunnel(tunnel);
  const bool is_peer = tunnel.info().onramp == "gue";  // peer_heard
  log_at(is_peer ? LogLevel::kDebug : LogLevel::kInfo,
         "tunnel closed tunnel={} name={} tenant={} up_bytes={} down_bytes={}", id,
         tunnel.info().name, tunnel.tenant().settings.name, tunnel.up.bytes, tunnel.down.bytes);
  tell_of(tunnel, TunnelEvent::Kind::kClose);
  tunnels_.erase(id);
  --open_tunnels_;
}

void Shard::tell_of(Tunnel& tunnel, TunnelEvent::Kind kind) {
  const TunnelInfo& info = tunnel.info();
  audit_.tell({.kind = kind,
               .time = std::chrono::system_clock::now(),
               .id = info.id,
               .tenant_id = tunnel.tenant().settings.id,
               .name = info.name,
               .onramp = info.onramp,
               .mtu_bytes = info.mtu_bytes,
               .up = tunnel.up,
               .down = tunnel.down,
               .dropped_packets = tunnel.dropped_packets});
}

// A flow that was upgraded and then downgraded has another tunnel at its other end, which must see
// the RST that our socket there sends as it is closed; the flow knows the way.
void Shard::end_flows_of(const Tunnel& tunnel) {
  const auto is_of_tunnel = [&](FlowIndex index) {
    return flows_[index].tunnel == tunnel.id() || flows_[index].peer_tunnel == tunnel.id();
  };
  bool any_retired = false;
  flows_.for_each([&](FlowIndex index) {
    if (is_of_tunnel(index) && flows::is_upgraded_then_downgraded(flows_[index])) {
      flows_.retire(index, EndReason::kTunnelClosed, loop_.now());
      any_retired = true;
    }
  });
  if (any_retired) {
    sandbox_.drain();
  }
  flows_.for_each([&](FlowIndex index) {
    if (is_of_tunnel(index)) {
      flows_.end(index, EndReason::kTunnelClosed);
    }
  });
}

void Shard::packets_from_sandbox(std::span<RawPacket> packets) {
  path_.packets_from_sandbox(packets);
}

void Shard::accepted(Fd socket, const base::Endpoint& peer) {
  // No binding: the flow ended between the handshake's last segment and now. Closing says so.
  if (const auto binding = flows_.bindings().find(peer)) {
    upgrade_.accepted(std::move(socket), flows_.bindings().flow(*binding));
  }
}

void Shard::refused(const base::Endpoint& peer) {
  if (const auto binding = flows_.bindings().find(peer)) {
    const FlowIndex flow = flows_.bindings().flow(*binding);
    path_.dropped(flow, Drop::kNoDescriptor);
    flows_.retire(flow, EndReason::kNoDescriptor, loop_.now());
  }
}

void Shard::sandbox_write_failed(std::size_t packets) {
  for (std::size_t i = 0; i < packets; ++i) {
    path_.dropped(sandbox_.is_up() ? Drop::kSandboxWriteFailed : Drop::kSandboxDown);
  }
}

void Shard::sandbox_lost() {
  log_error("sandbox lost helper={} its flows are reset, another is started",
            sandbox_.helper_pid());
  reset_upgraded(EndReason::kSandboxLost);
  sandbox_.uninstall();
  restore_sandbox();
}

// The sockets' RSTs leave the kernel inside as they are closed; they reach the clients before the
// flows, which know the way, are gone. Flows that still dial have nothing in the sandbox, unless
// they dial through it.
void Shard::reset_upgraded(EndReason reason) {
  const auto is_inside = [&](FlowIndex index) {
    const flows::Flow& flow = flows_[index];
    return flow.binding != flows::kNone32 &&
           (flow.state != FlowState::kDialing || flows::is_downgraded(flow));
  };
  retire_upgraded(reason, is_inside);
  flows_.for_each([&](FlowIndex index) {
    if (is_inside(index)) {
      flows_.end(index, reason);
    }
  });
}

// Resets those of the `wanted` upgraded TCP flows that live, whether their client is connected,
// waits to be accepted, or has got no answer yet.
template <class Wanted>
void Shard::retire_upgraded(EndReason reason, Wanted wanted) {
  std::uint32_t resets = 0;
  flows_.for_each([&](FlowIndex index) {
    if (!wanted(index)) {
      return;
    }
    upgrade_.reset_unaccepted(index);
    flows_.retire(index, reason, loop_.now());
    if (++resets % kResetsAtOnce == 0) {
      sandbox_.drain();
    }
  });
  sandbox_.close_listeners();
  sandbox_.drain();
}

// Without a sandbox no flow can be upgraded, so the shard waits for it: some ten milliseconds.
void Shard::restore_sandbox() {
  auto sandbox = SandboxLink::make(settings_.io.tun_offload, settings_.confine);
  if (sandbox) {
    if (auto installed = sandbox_.install(std::move(sandbox).value()); installed) {
      ++sandbox_restarts_;
      log_info("sandbox restarted helper={}", sandbox_.helper_pid());
      return;
    } else {
      log_error("sandbox not restarted error=\"{}\"", installed.error().message());
      sandbox_.uninstall();
    }
  } else {
    log_error("sandbox not restarted error=\"{}\"", sandbox.error().message());
  }
}

void Shard::tick(base::Instant now) {
  if (stopping_) {
    return;  // there is one more round between shut_down() and the loop's end
  }
  while (!flows_.expire(now)) {
  }
  tell_of_left_out_lines(now);
  upgrade_.tick(now);
  path_.tick(now);
  for (const auto& door : gue_doors_) {
    door->tick(now);
  }
  while (auto late = away_.take_late(now)) {
    end_away(std::move(late));
  }
  constexpr base::Duration kRetry = std::chrono::seconds(1);
  if (!sandbox_.is_up() && now - last_restore_ >= kRetry) {
    last_restore_ = now;
    restore_sandbox();
  }
}

void Shard::shut_down() {
  stopping_ = true;
  while (auto away = away_.take_late(base::Instant::max())) {
    end_away(std::move(away));
  }
  retire_upgraded(EndReason::kShutdown, [&](FlowIndex index) {
    return flows_[index].end_reason == EndReason::kNone && flows_[index].binding != flows::kNone32;
  });
  flows_.for_each([&](FlowIndex index) { flows_.end(index, EndReason::kShutdown); });
  gue_doors_.clear();  // with what they still have to send
  for (const auto& [id, tunnel] : tunnels_) {
    tell_of(*tunnel, TunnelEvent::Kind::kClose);
  }
  tunnels_.clear();
  sandbox_.uninstall();
}

base::Duration Shard::processor_time() {
  clockid_t clock{};
  timespec used{};
  CHECK(::pthread_getcpuclockid(thread_.native_handle(), &clock) == 0 &&
        ::clock_gettime(clock, &used) == 0);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

pid_t Shard::sandbox_helper() {
  return ask([this] { return sandbox_.helper_pid(); });
}

bool Shard::kill_flow(std::uint64_t id) {
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

std::uint64_t Shard::reload(const std::shared_ptr<const Policy>& policy, const Settings& settings) {
  return ask([this, &policy, &settings] { return reload_now(policy, settings); });
}

std::uint64_t Shard::reload_now(const std::shared_ptr<const Policy>& policy,
                                const Settings& settings) {
  if (hooks_ != nullptr) {
    hooks_->reloaded(settings);
  }
  flows_.set_timeouts(settings.flows.timeouts);
  for (const TenantSettings& wanted : settings.tenants) {
    if (const auto tenant = tenants_.find(wanted.name); tenant != tenants_.end()) {
      follow_limits(tenant->second->settings, wanted);
    }
  }
  prepare_for(settings.rules);
  const std::shared_ptr<const Policy> before = rulings_.shared_policy();
  rulings_.replace(policy);
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
  FlowFacts facts = facts_of(flow.key, std::nullopt, tunnel->tenant(), tunnel, flows_, loop_.now());
  if (is_upgraded && flow.key.protocol == flows::Protocol::kIcmp) {
    facts.icmp_type = 8;  // no other is upgraded
  } else if (is_upgraded && flow.key.protocol == flows::Protocol::kIcmpv6) {
    facts.icmp_type = 128;
  }
  auto decision = rejudge(flow.rule, facts, before, rulings_.policy());
  if (!decision) {
    return true;
  }
  if (hooks_ != nullptr) {
    decision = hooks_->decide_again(*decision, index, facts);
  }
  const bool same = decision->action == flow.action &&
                    decision->then_downgrade == flows::is_upgraded_then_downgraded(flow) &&
                    (!is_upgraded || flow.upstream == upstream_of(*decision, flow.key.destination,
                                                                  path_.addresses()));
  if (same) {
    flow.rule = decision->rule;
  }
  return same;
}

base::Result<Explanation, std::string> Shard::explain(const ExplainQuery& query) {
  return ask([this, &query] { return explain_now(query); });
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

std::optional<HookReport> Shard::hooks_of(std::uint64_t flow) {
  return ask([this, flow] { return hooks_ == nullptr ? std::nullopt : hooks_->report_of(flow); });
}

GatewayStatus Shard::status() {
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
                              .flows = tunnel->flows,
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
    status.stats.dials += tenant->dials;
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
  status.stats.started_ns = base::to_nanoseconds(started_);
  status.stats.flows_opened = flows_.opened();
  status.stats.flows_ended = flows_.ended();
  status.stats.flows = flows_.table().size();
  status.stats.flows_max = flows_.table().capacity();
  status.stats.tunnels = static_cast<std::uint32_t>(tunnels_.size());
  status.stats.tunnels_opened = tunnels_opened_;
  status.stats.relays = upgrade_.relays();
  status.stats.pipes_in_use = upgrade_.pipes_in_use();
  status.stats.pool_sockets = static_cast<std::uint32_t>(sandbox_.pool().size());
  const TcpUpgrade::RelayedBytes relayed = upgrade_.relayed();
  status.stats.relayed_up_bytes = relayed.up;
  status.stats.relayed_down_bytes = relayed.down;
  status.stats.sandbox_restarts = sandbox_restarts_;
  status.stats.hook_failures = hooks_ == nullptr ? 0 : hooks_->failures();
  status.stats.up = path_.up();
  status.stats.down = path_.down();
  return status;
}

}  // namespace gateway
