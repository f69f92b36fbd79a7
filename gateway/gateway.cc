#include "gateway/gateway.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "base/check.h"
#include "flows/protocol.h"
#include "gateway/config/config_writer.h"
#include "gateway/config/settings_change.h"
#include "gateway/inspect/status_sum.h"
#include "gateway/log.h"
#include "gateway/log_value.h"
#include "gateway/onramp/gue_steering.h"
#include "gateway/upgrade/socket_marks.h"

namespace gateway {

using base::SysResult;
using base::Unexpected;

namespace {

// Chosen: a look at how busy the shards are is about at least so much time.
constexpr base::Duration kLeastLook = std::chrono::seconds(1);

// Chosen: for a shard's answer. One that is only busy gives it within milliseconds.
constexpr base::Duration kPatienceWithShard = std::chrono::seconds(2);

// Chosen: as long as it takes until a shard is called stuck.
constexpr base::Duration kPatienceWithEnd = std::chrono::seconds(5);

// That this process may run on.
std::size_t usable_processors() {
  cpu_set_t processors;
  if (::sched_getaffinity(0, sizeof(processors), &processors) != 0) {
    return std::thread::hardware_concurrency();  // there are more than the set has room for
  }
  return static_cast<std::size_t>(CPU_COUNT(&processors));
}

}  // namespace

SysResult<std::unique_ptr<Gateway>> Gateway::create(asio::io_context& context,
                                                    const Settings& settings,
                                                    const GatewayAddresses& addresses,
                                                    hooks::App* app) {
  std::unique_ptr<Gateway> gateway(new Gateway(context, settings));
  const std::size_t processors = usable_processors();
  const std::size_t count =
      gateway::shard_count(settings.workers, processors, settings.tenants.size());
  if (app != nullptr) {
    auto life = AppLife::begin(*app, settings, count);
    if (!life) {
      return Unexpected{life.error()};
    }
    gateway->app_ = std::move(life).value();
  }
  const AuditNames names{
      .tenant = [&n = gateway->names_](std::uint32_t id) { return n.tenant(id); },
      .tunnel = [&n = gateway->names_](std::uint32_t id) { return n.tunnel(id); },
      .rule = [&n = gateway->rule_names_](std::uint16_t rule) { return n.name(rule); }};
  auto audit = AuditLog::open(settings.audit_path, names);
  if (!audit) {
    return Unexpected{audit.error()};
  }
  std::unique_ptr<AuditLog> log = std::move(audit).value();
  if (settings.telemetry.ipfix.collector) {
    auto feed = std::make_unique<IpfixFeed>(std::move(log));
    auto exporter = IpfixExporter::create(context, settings.telemetry.ipfix, *feed);
    if (!exporter) {
      return Unexpected{exporter.error()};
    }
    gateway->ipfix_ = std::move(exporter).value();
    log = std::move(feed);
  }
  gateway->audit_ = std::make_unique<EventFeed>(std::move(log));
  gateway->followers_ = std::make_unique<EventFollowers>(context, *gateway->audit_, names);
  CaptureSource& source = *gateway;  // which is our base in here only
  gateway->captures_ = std::make_unique<CaptureSessions>(context, source);
  auto policy = std::make_shared<const Policy>(
      settings, gateway->rule_names_.numbers_of(settings.rules).value());
  for (std::size_t number = 0; number < count; ++number) {
    auto shard = Shard::create({.flows = {.shard = number, .quota = gateway->quota_},
                                .settings = gateway->settings_,
                                .addresses = addresses,
                                .policy = policy,
                                .audit = *gateway->audit_});
    if (!shard) {
      return Unexpected{shard.error()};
    }
    gateway->shards_.push_back(std::move(shard).value());
  }
  for (std::size_t number = 0; number < count; ++number) {
    Shard& shard = *gateway->shards_[number];
    if (gateway->app_ != nullptr) {
      if (auto hooks = gateway->app_->take_shard(number)) {
        shard.set_app(std::move(hooks), app->info().name);
      }
    }
    gateway->last_said_.push_back(shard.first_status());
    shard.start(/*may_poll=*/processors > 1);  // else whoever has the work could not run
  }
  gateway->placement_ = Placement(count);
  gateway->busy_.resize(count);
  gateway->processor_time_.resize(count);
  return gateway;
}

Gateway::Gateway(asio::io_context& context, const Settings& settings)
    : context_(context),
      clock_timer_(context),
      settings_(settings),
      running_(settings),
      quota_(settings.flows.max, settings.tenants.size()),
      placement_(1) {
  for (const TenantSettings& tenant : settings_.tenants) {
    names_.add_tenant(tenant.id, tenant.name);
  }
  look_at_the_clock();
}

std::string Gateway::does_not_answer(std::size_t shard) {
  return "shard " + std::to_string(shard) + " does not answer (/health says more)";
}

template <class T>
base::Result<T, std::string> Gateway::answer_by(base::Instant deadline, std::size_t shard,
                                                std::future<T> answer) {
  const bool said = answer.valid() && answer.wait_until(deadline) == std::future_status::ready;
  awake_.has_waited(base::Clock::now());
  return said ? base::Result<T, std::string>(answer.get()) : Unexpected{does_not_answer(shard)};
}

// One that is known to be stuck is not asked: whoever does waits, and with him the whole control
// thread.
template <class Ask>
base::Result<Gateway::Answer<Ask>, std::string> Gateway::ask(std::size_t shard, Ask question) {
  std::future<Answer<Ask>> answer;
  if (!health_of(shard).is_stuck()) {
    answer = question(*shards_[shard]);
  }
  return answer_by(base::Clock::now() + kPatienceWithShard, shard, std::move(answer));
}

template <class Ask>
std::vector<base::Result<Gateway::Answer<Ask>, std::string>> Gateway::ask_all(Ask question) {
  std::vector<std::future<Answer<Ask>>> asked(shards_.size());
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    if (!health_of(i).is_stuck()) {
      asked[i] = question(*shards_[i]);
    }
  }
  const base::Instant deadline = base::Clock::now() + kPatienceWithShard;
  std::vector<base::Result<Answer<Ask>, std::string>> answers;
  answers.reserve(shards_.size());
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    answers.push_back(answer_by(deadline, i, std::move(asked[i])));
  }
  return answers;
}

Gateway::~Gateway() {
  if (!end()) {
    std::_Exit(EXIT_FAILURE);
  }
}

// Nobody comes in any more, then the flows end, then their last events are written.
bool Gateway::end() {
  telemetry_.reset();
  control_.reset();
  captures_.reset();
  doors_.clear();
  end_shards();
  followers_.reset();
  ipfix_.reset();
  if (!shards_.empty()) {
    audit_->finish();
    return false;
  }
  app_.reset();
  audit_.reset();
  return true;
}

// Those remain that do not end.
void Gateway::end_shards() {
  for (const auto& shard : shards_) {
    shard->begin_to_end();
  }
  const auto steps = [this] {
    std::uint64_t sum = 0;
    for (const auto& shard : shards_) {
      sum += shard->steps_to_end();
    }
    return sum;
  };
  for (bool goes_on = true; goes_on && !shards_.empty();) {
    const std::uint64_t before = steps();
    const base::Instant deadline = base::Clock::now() + kPatienceWithEnd;
    const std::size_t ended =
        std::erase_if(shards_, [&](const auto& shard) { return shard->ends_by(deadline); });
    goes_on = ended > 0 || steps() != before;
  }
  if (!shards_.empty()) {
    log_error("stopped without shards that do not end count={} cure={}", shards_.size(),
              LogValue{"if an app is linked, one of its hooks does not return"});
  }
}

SysResult<void> Gateway::open_doors() {
  for (const Onramp& onramp : settings_.onramps) {
    if (onramp.seqpacket) {
      auto door = SeqpacketDoor::open(context_, *onramp.seqpacket, settings_.tenants, *this);
      if (!door) {
        return Unexpected{door.error()};
      }
      doors_.push_back(std::move(door).value());
      log_info("on-ramp opened kind=seqpacket path={}", LogValue{onramp.seqpacket->path});
    }
    if (onramp.gue) {
      if (auto opened = open_gue_doors(onramp); !opened) {
        return opened;
      }
    }
  }
  return {};
}

// A door for each shard, and the tenants that may speak there are placed: which shard a datagram is
// for must be known before the first.
SysResult<void> Gateway::open_gue_doors(const Onramp& onramp) {
  std::vector<GueTenantHome> tenants;
  std::vector<GuePrefixHome> prefixes;
  GueExchange::Homes homes;
  for (const GuePeers& peers : onramp.gue->peers) {
    prefixes.push_back({peers.prefix, home_of(peers.tenant)});
    std::vector<std::string> speakers = peers.may_name;
    speakers.push_back(peers.tenant);
    for (const std::string& tenant : speakers) {
      const std::uint32_t id = settings_of(tenant).id;
      if (homes.emplace(id, home_of(tenant)).second) {
        tenants.push_back({id, home_of(tenant)});
      }
    }
  }
  auto sockets = GueSocket::open_group(
      onramp.gue->listen, settings_.io.udp_offload, shards_.size(),
      gue_steering(onramp.gue->listen.address.is_v4(), tenants, std::move(prefixes)));
  if (!sockets) {
    return Unexpected{sockets.error()};
  }
  log_info("on-ramp opened kind=gue listen={}", sockets->front().listen.to_string());
  gue_doors_.push_back(
      {.kind = "gue", .at = sockets->front().listen.to_string(), .is_listening = true});
  std::shared_ptr<GueExchange> exchange;
  if (shards_.size() > 1) {
    auto made = GueExchange::create(shards_.size(), std::move(homes));
    if (!made) {
      return Unexpected{made.error()};
    }
    exchange = std::move(made).value();
  }
  for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
    max_tunnels_ += onramp.gue->max_peers;
    shards_[shard]->add_gue_door(
        std::move((*sockets)[shard]), onramp,
        [this](const std::string& name) {
          const std::uint32_t id = ++last_tunnel_id_;
          names_.add_tunnel(id, name);
          return id;
        },
        exchange);
  }
  return {};
}

SysResult<void> Gateway::open_published_ports() {
  for (const TenantSettings& tenant : settings_.tenants) {
    for (const PublishedEndpoint& wanted : tenant.publish) {
      auto port = open_host_port(wanted.listen, wanted.protocol);
      if (!port) {
        return Unexpected{port.error()};
      }
      publish(std::move(*port), tenant.name, wanted.to);
    }
  }
  return {};
}

void Gateway::publish(HostPort port, const std::string& tenant, const base::Endpoint& to) {
  log_info("port published listen={} to={} protocol={} tenant={}", port.local.to_string(),
           to.to_string(), flows::protocol_name(port.protocol), tenant);
  shard_of(tenant).publish(std::move(port), tenant, to);
}

SysResult<void> Gateway::open_control(ControlClients clients) {
  auto control = ControlServer::create(context_,
                                       {.path = settings_.control_path,
                                        .own_network_only = clients == ControlClients::kOwnNetwork,
                                        .followers = followers_.get(),
                                        .captures = captures_.get()},
                                       *this);
  if (!control) {
    return Unexpected{control.error()};
  }
  control_ = std::move(control).value();
  return {};
}

SysResult<void> Gateway::open_telemetry() {
  if (!settings_.telemetry.listen) {
    return {};
  }
  auto telemetry = TelemetryServer::create(context_, settings_.telemetry, *this);
  if (!telemetry) {
    return Unexpected{telemetry.error()};
  }
  telemetry_ = std::move(telemetry).value();
  log_info("telemetry opened url=http://{}/metrics", telemetry_->endpoint().to_string());
  return {};
}

void Gateway::add_tun(base::Fd tun, TunnelInfo info, const std::string& tenant) {
  info.id = ++last_tunnel_id_;
  info.onramp = "tun";
  info.opened_ns = base::to_nanoseconds(base::Clock::now());
  names_.add_tunnel(info.id, info.name);
  shard_of(tenant).add_tunnel(Shard::Kind::kTun, std::move(tun), std::move(info), tenant);
}

// A tenant may have another tunnel while it has fewer than there is room left for (Choudhury and
// Hahne, 1998): who opens all that he can gets half of it, and leaves the rest to the tunnels and
// the connections of others. A tenant that is alone takes it from nobody.
base::Result<std::uint32_t, ContextRefusal> Gateway::next_tunnel_id(const std::string& tenant,
                                                                    std::uint32_t room) {
  std::uint64_t open = 0;
  for (const auto& shard : shards_) {
    open += shard->open_tunnels();
  }
  if (open >= max_tunnels_) {
    return Unexpected{
        ContextRefusal{.error = ContextError::kTooManyTunnels,
                       .message = std::string(gateway::explain(ContextError::kTooManyTunnels))}};
  }
  const std::uint64_t left = std::min<std::uint64_t>(max_tunnels_ - open, room);
  const std::uint32_t own = shard_of(tenant).sockets_of(tenant);
  if (settings_.tenants.size() > 1 && own >= left) {
    return Unexpected{ContextRefusal{
        .error = ContextError::kTenantTunnelLimit,
        .message = "tenant '" + tenant + "' has " + std::to_string(own) +
                   " tunnels, and there is room for " + std::to_string(left) +
                   " more, which is kept for other tenants; close some, or give the gateway a "
                   "higher limit of open files (ulimit -n)"}};
  }
  return ++last_tunnel_id_;
}

void Gateway::tunnel_admitted(base::Fd socket, std::uint32_t id, const TunnelContext& context,
                              const std::string& reply) {
  TunnelInfo info{.id = id,
                  .name = context.name.empty() ? "tunnel-" + std::to_string(id) : context.name,
                  .has_own_name = !context.name.empty(),
                  .onramp = "seqpacket",
                  .addresses = context.addresses,
                  .routed = {},
                  .mtu_bytes = context.mtu_bytes,
                  .offload = context.offload,
                  .labels = context.labels,
                  .opened_ns = base::to_nanoseconds(base::Clock::now())};
  names_.add_tunnel(id, info.name);
  shard_of(context.tenant)
      .add_tunnel(Shard::Kind::kSeqpacket, std::move(socket), std::move(info), context.tenant,
                  reply);
}

void Gateway::tunnel_refused(ContextError error) {
  ++refusals_[static_cast<std::size_t>(error)];
}

ReloadReport Gateway::reload(const std::string& path) {
  const std::string& from = path.empty() ? config_path_ : path;
  if (from.empty()) {
    return {.problems = {"the gateway was started without a configuration file; name one with "
                         "--config"}};
  }
  auto loaded = load_(from);
  if (!loaded) {
    ReloadReport refused;
    for (const ConfigProblem& problem : loaded.error()) {
      refused.problems.push_back(problem.to_string());
    }
    log_error("configuration not reloaded problems={} first={}", refused.problems.size(),
              LogValue{refused.problems.front()});
    return refused;
  }
  if (const auto refusal = app_ == nullptr ? std::nullopt : app_->refuses(loaded->app)) {
    log_error("configuration not reloaded by=app why={}", LogValue{*refusal});
    return {.problems = {from + ": app: " + *refusal}};
  }
  const auto refused = [](std::string why) -> ReloadReport {
    log_error("configuration not reloaded why={}", LogValue{why});
    return {.problems = {std::move(why)}};
  };
  if (const auto stuck = stuck_shard()) {
    return refused(*stuck + "; nothing was reloaded");
  }
  SettingsChange change = change_of(running_, *loaded);
  const auto numbers = rule_names_.numbers_of(change.next.rules);
  if (!numbers) {
    return refused("rules have had too many different names since the gateway started; restart it");
  }
  ReloadReport report{.rules = change.next.rules.size(),
                      .after_restart = std::move(change.after_restart)};
  const auto policy = std::make_shared<const Policy>(change.for_policy, *numbers);
  const auto settings = std::make_shared<const Settings>(change.next);
  for (const auto& ended : ask_all([&](Shard& its) { return its.reload(policy, settings); })) {
    report.flows_ended += ended ? *ended : 0;
    report.shards_late += ended ? 0U : 1U;
  }
  configure_log(change.next.log);
  say_if_marks_stay_inside(change.next.rules, LogLevel::kWarn);
  running_ = std::move(change.next);
  std::string later;
  for (const std::string& key : report.after_restart) {
    later += (later.empty() ? "" : ",") + key;
  }
  log_at(report.shards_late > 0 ? LogLevel::kWarn : LogLevel::kInfo,
         "configuration reloaded config={} rules={} flows_ended={} shards_late={} after_restart={}",
         LogValue{from}, report.rules, report.flows_ended, report.shards_late, later);
  return report;
}

std::string Gateway::config() {
  return config_text(running_);
}

std::size_t Gateway::home_of(const std::string& tenant) {
  return placement_.place(settings_of(tenant).id, busy());
}

const TenantSettings& Gateway::settings_of(const std::string& tenant) const {
  const auto settings = std::ranges::find(settings_.tenants, tenant, &TenantSettings::name);
  CHECK(settings != settings_.tenants.end());
  return *settings;
}

std::span<const double> Gateway::busy() {
  const base::Instant now = base::Clock::now();
  const base::Duration passed = now - busy_since_;
  if (passed < kLeastLook) {
    return busy_;
  }
  busy_since_ = now;
  for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
    const base::Duration used = shards_[shard]->processor_time();
    busy_[shard] = std::chrono::duration<double>(used - processor_time_[shard]) /
                   std::chrono::duration<double>(passed);
    processor_time_[shard] = used;
  }
  return busy_;
}

bool Gateway::is_sandbox_helper(pid_t process) {
  const auto helpers = ask_all([](Shard& its) { return its.sandbox_helper(); });
  for (std::size_t i = 0; i < helpers.size(); ++i) {
    if ((helpers[i] ? *helpers[i] : health_of(i).helper) == process) {
      return true;
    }
  }
  return false;
}

std::vector<const base::Fd*> Gateway::flow_regions() const {
  std::vector<const base::Fd*> regions;
  regions.reserve(shards_.size());
  for (const auto& shard : shards_) {
    regions.push_back(&shard->flow_region());
  }
  return regions;
}

ShardHealth Gateway::health_of(std::size_t shard) {
  awake_.look(base::Clock::now());
  return shards_[shard]->health(awake_.since());
}

void Gateway::look_at_the_clock() {
  awake_.look(base::Clock::now());
  clock_timer_.expires_after(Awake::kLookEvery);
  clock_timer_.async_wait([this](const asio::error_code& cancelled) {
    if (!cancelled) {
      look_at_the_clock();
    }
  });
}

std::optional<std::string> Gateway::stuck_shard() {
  for (const auto& answer : ask_all([](Shard& its) { return its.sandbox_helper(); })) {
    if (!answer) {
      return answer.error();
    }
  }
  return std::nullopt;
}

base::Result<bool, std::string> Gateway::kill_flow(std::uint64_t id) {
  const std::size_t shard = flows::shard_of_flow(id);
  if (shard >= shards_.size()) {
    return false;
  }
  return ask(shard, [id](Shard& its) { return its.kill_flow(id); });
}

void Gateway::stop_capture(std::uint64_t id) {
  for (const auto& shard : shards_) {
    shard->stop_capture(id);
  }
}

// Where no tenant is named, or one that is not there, any shard says so. To ask is not to appear.
base::Result<Explanation, std::string> Gateway::explain(const ExplainQuery& query) {
  const auto tenant = std::ranges::find(settings_.tenants, query.tenant, &TenantSettings::name);
  const auto shard = tenant == settings_.tenants.end() ? std::nullopt : placement_.find(tenant->id);
  auto said = ask(shard.value_or(0), [&query](Shard& its) { return its.explain(query); });
  if (!said) {
    return Unexpected{said.error()};
  }
  return std::move(*said);
}

base::Result<HookReport, std::string> Gateway::hooks_of(std::uint64_t flow) {
  if (settings_.hooks.trace == 0) {
    return Unexpected{std::string("no hooks are written down: hooks.trace is 0")};
  }
  if (const std::size_t shard = flows::shard_of_flow(flow); shard < shards_.size()) {
    auto report = ask(shard, [flow](Shard& its) { return its.hooks_of(flow); });
    if (!report) {
      return Unexpected{report.error()};
    }
    if (*report) {
      return std::move(**report);
    }
  }
  return Unexpected{"no hook has run for flow " + std::to_string(flow) +
                    ", or too many flows have come since (hooks.trace)"};
}

GatewayStatus Gateway::status() {
  auto said = ask_all([](Shard& its) { return its.status(); });
  for (std::size_t i = 0; i < said.size(); ++i) {
    if (said[i]) {
      last_said_[i] = std::move(*said[i]);
    }
  }
  GatewayStatus status = sum_of(last_said_);
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    status.shards.push_back(health_of(i));
  }
  status.rules = rule_names_.all();
  for (std::size_t i = 0; i < refusals_.size(); ++i) {
    const auto error = static_cast<ContextError>(i);
    status.refusals.push_back(
        {std::string(name(error)), std::string(gateway::explain(error)), refusals_[i]});
  }
  status.stats.audit_events = audit_->events();
  status.stats.audit_write_errors = audit_->write_errors();
  if (ipfix_ != nullptr) {
    status.stats.ipfix_sent = ipfix_->sent();
    status.stats.ipfix_lost = ipfix_->lost();
  }
  if (app_ != nullptr) {
    status.stats.hook_failures += app_->failures();
  }
  return status;
}

GatewayHealth Gateway::health() {
  GatewayHealth health;
  health.flows = quota_.used();
  health.flows_max = quota_.most();
  health.audit = audit_->health();
  health.onramps = gue_doors_;
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    health.shards.push_back(health_of(i));
  }
  for (const auto& door : doors_) {
    health.onramps.push_back(door->health());
  }
  if (ipfix_ != nullptr) {
    health.ipfix = ipfix_->health();
  }
  return health;
}

}  // namespace gateway
