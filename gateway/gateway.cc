#include "gateway/gateway.h"

#include <utility>

#include "flows/protocol.h"
#include "gateway/config/settings_change.h"
#include "gateway/log.h"

namespace gateway {

using base::SysResult;
using base::Unexpected;

SysResult<std::unique_ptr<Gateway>> Gateway::create(asio::io_context& context,
                                                    const Settings& settings,
                                                    const GatewayAddresses& addresses) {
  std::unique_ptr<Gateway> gateway(new Gateway(context, settings));
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
  auto shard = Shard::create(gateway->settings_, addresses, std::move(policy), *gateway->audit_);
  if (!shard) {
    return Unexpected{shard.error()};
  }
  gateway->shard_ = std::move(shard).value();
  gateway->shard_->start();
  return gateway;
}

Gateway::Gateway(asio::io_context& context, const Settings& settings)
    : context_(context), settings_(settings), running_(settings) {
  for (const TenantSettings& tenant : settings_.tenants) {
    names_.add_tenant(tenant.id, tenant.name);
  }
}

// Nobody comes in any more, then the flows end, then their last events are written.
Gateway::~Gateway() {
  telemetry_.reset();
  control_.reset();
  captures_.reset();
  doors_.clear();
  shard_.reset();
  followers_.reset();
  ipfix_.reset();
  audit_.reset();
}

SysResult<void> Gateway::open_doors() {
  for (const Onramp& onramp : settings_.onramps) {
    if (onramp.seqpacket) {
      auto door = SeqpacketDoor::open(context_, *onramp.seqpacket, settings_.tenants, *this);
      if (!door) {
        return Unexpected{door.error()};
      }
      doors_.push_back(std::move(door).value());
      log_info("on-ramp opened kind=seqpacket path={}", onramp.seqpacket->path);
    }
    if (onramp.gue) {
      auto socket = GueSocket::open(onramp.gue->listen, settings_.io.udp_offload);
      if (!socket) {
        return Unexpected{socket.error()};
      }
      log_info("on-ramp opened kind=gue listen={}", socket->listen.to_string());
      max_tunnels_ += onramp.gue->max_peers;
      shard_->add_gue_door(std::move(socket).value(), onramp, [this](const std::string& name) {
        const std::uint32_t id = ++last_tunnel_id_;
        names_.add_tunnel(id, name);
        return id;
      });
    }
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
  shard_->publish(std::move(port), tenant, to);
}

SysResult<void> Gateway::open_control() {
  auto control = ControlServer::create(
      context_,
      {.path = settings_.control_path, .followers = followers_.get(), .captures = captures_.get()},
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
  shard_->add_tunnel(Shard::Kind::kTun, std::move(tun), std::move(info), tenant);
}

std::optional<std::uint32_t> Gateway::next_tunnel_id() {
  if (shard_->open_tunnels() >= max_tunnels_) {
    return std::nullopt;
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
  shard_->add_tunnel(Shard::Kind::kSeqpacket, std::move(socket), std::move(info), context.tenant,
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
    log_error("configuration not reloaded problems={} first=\"{}\"", refused.problems.size(),
              refused.problems.front());
    return refused;
  }
  SettingsChange change = change_of(running_, *loaded);
  const auto numbers = rule_names_.numbers_of(change.next.rules);
  if (!numbers) {
    return {.problems = {"rules have had too many different names since the gateway started; "
                         "restart it"}};
  }
  ReloadReport report{.rules = change.next.rules.size(),
                      .after_restart = std::move(change.after_restart)};
  report.flows_ended =
      shard_->reload(std::make_shared<const Policy>(change.for_policy, *numbers), change.next);
  configure_log(change.next.log);
  running_ = std::move(change.next);
  std::string later;
  for (const std::string& key : report.after_restart) {
    later += (later.empty() ? "" : ",") + key;
  }
  log_info("configuration reloaded config={} rules={} flows_ended={} after_restart={}", from,
           report.rules, report.flows_ended, later);
  return report;
}

GatewayStatus Gateway::status() {
  GatewayStatus status = shard_->status();
  status.rules = rule_names_.all();
  for (std::size_t i = 0; i < refusals_.size(); ++i) {
    const auto error = static_cast<ContextError>(i);
    status.refusals.push_back(
        {std::string(name(error)), std::string(gateway::explain(error)), refusals_[i]});
  }
  status.stats.audit_events = audit_->events();
  status.stats.audit_write_errors = audit_->write_errors();
  return status;
}

}  // namespace gateway
