#include "gateway/shard.h"

#include <sys/random.h>

#include <algorithm>

#include "base/check.h"
#include "gateway/log.h"
#include "gateway/log_control.h"

namespace gateway {

using base::Fd;
using base::SysResult;
using base::Unexpected;
using flows::Drop;
using flows::EndReason;
using flows::FlowIndex;

namespace {

flows::HashSeed random_seed() {
  flows::HashSeed seed;
  // 16 bytes come whole once the kernel's pool is up (getrandom(2)).
  CHECK(::getrandom(&seed, sizeof(seed), 0) == sizeof(seed));
  return seed;
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
  auto sandbox = SandboxLink::make(place.settings.io, place.settings.confine);
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
      hooks_(place.settings, flows_, rulings_, place.addresses),
      alarm_(loop_, std::move(timer)),
      path_(loop_, flows_, rulings_, hooks_, sandbox_, place.addresses,
            {place.settings.flows.timeouts.fragments, {seed.low, seed.high}}),
      downgrade_(flows_, sandbox_),
      upgrade_(loop_, flows_, sandbox_, downgrade_, place.settings.handshake,
               CongestionControl::of_host(place.settings.io.pace_nearby), {seed.low, seed.high},
               path_),
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
    tenants_[tenant.name]->is_alone = settings_.tenants.size() == 1;
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
  if (!thread_.joinable()) {
    shut_down();
    return;
  }
  if (!is_to_end_) {
    begin_to_end();
  }
  thread_.join();
}

void Shard::begin_to_end() {
  is_to_end_ = true;
  loop_.post([this] { shut_down(); });
  loop_.stop();
}

bool Shard::ends_by(base::Instant deadline) {
  return !thread_.joinable() || end_.wait_until(deadline) == std::future_status::ready;
}

void Shard::set_app(std::unique_ptr<hooks::ShardHooks> app, std::string name) {
  hooks_.set_app(std::move(app), std::move(name));
  path_.app_is_set();
  upgrade_.set_hooks(hooks_);
}

static_assert(flows::ExpiryWheel::kTick == CarriedRate::kTick);

void Shard::start(bool may_poll) {
  if (may_poll) {
    loop_.set_busy_poll(settings_.io.busy_poll);
  }
  beat(base::Clock::now());
  loop_.set_tick(flows::ExpiryWheel::kTick, [this](base::Instant now) { tick(now); });
  thread_ = std::thread([this] {
    loop_.run();
    ends_.set_value();
  });
}

void Shard::packets_from(Tunnel& from, std::span<RawPacket> packets) {
  path_.packets_from(from, packets);
}

void Shard::dropped(Tunnel& tunnel, Drop reason) {
  path_.dropped(tunnel, reason);
}

void Shard::tick(base::Instant now) {
  if (stopping_) {
    return;  // there is one more round between shut_down() and the loop's end
  }
  while (!flows_.expire(now)) {
  }
  tell_of_left_out_lines(now);
  if (rulings_.policy().asks_for_bit_rate()) {
    flows_.for_each_tunnel(
        [now](Tunnel& tunnel) { tunnel.carried_rate.look(tunnel.carried_bytes(), now); });
  }
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
  beat(now);
}

void Shard::beat(base::Instant now) {
  const bool is_first = last_tick_ == base::Instant();
  const base::Duration late =
      is_first ? base::Duration() : now - last_tick_ - flows::ExpiryWheel::kTick;
  last_tick_ = now;
  pulse_.beat({.has_sandbox = sandbox_.is_up(),
               .helper = sandbox_.helper_pid(),
               .sandbox_restarts = sandbox_restarts_,
               .lag_ns = std::max(late, base::Duration()).count(),
               .flows = flows_.table().size(),
               .dials = upgrade_.dials()},
              now);
}

void Shard::shut_down() {
  stopping_ = true;
  ++steps_to_end_;
  upgrade_.let_upstreams_read_on();
  while (auto away = away_.take_late(base::Instant::max())) {
    end_away(std::move(away));
  }
  retire_upgraded(EndReason::kShutdown, [&](FlowIndex index) {
    ++steps_to_end_;
    return flows_[index].end_reason == EndReason::kNone && flows_[index].binding != flows::kNone32;
  });
  flows_.for_each([&](FlowIndex index) {
    flows_.end(index, EndReason::kShutdown);
    ++steps_to_end_;
  });
  gue_doors_.clear();  // with what they still have to send
  for (const auto& [id, tunnel] : tunnels_) {
    tell_of(*tunnel, TunnelEvent::Kind::kClose);
    path_.forget(*tunnel);
  }
  tunnels_.clear();
  sandbox_.uninstall();
}

}  // namespace gateway
