#include "gateway/config/settings_change.h"

#include <algorithm>
#include <utility>

namespace gateway {
namespace {

class Comparison {
 public:
  Comparison(const Settings& running, const Settings& wanted)
      : running_(running), wanted_(wanted), change_{running, running, {}} {}

  SettingsChange run() {
    compare("workers", &Settings::workers);
    compare("control.path", &Settings::control_path);
    compare("onramps", &Settings::onramps);
    tenants();
    change_.next.rules = wanted_.rules;
    flows();
    compare("nat", &Settings::nat);
    compare("udp", &Settings::udp);
    compare("handshake", &Settings::handshake);
    compare("io", &Settings::io);
    compare("confine", &Settings::confine);
    compare("audit.path", &Settings::audit_path);
    compare("telemetry", &Settings::telemetry);
    compare("hooks", &Settings::hooks);
    change_.next.app = wanted_.app;
    change_.next.log = wanted_.log;
    policy();
    return std::move(change_);
  }

 private:
  template <class Member>
  void compare(const char* key, Member Settings::* member) {
    differs(key, running_.*member != wanted_.*member);
  }
  void differs(const char* key, bool different) {
    if (different) {
      change_.after_restart.emplace_back(key);
    }
  }

  // Limits follow; who is a tenant, and what it may be and reach, does not.
  void tenants() {
    std::vector<TenantSettings>& next = change_.next.tenants;
    for (TenantSettings& tenant : next) {
      const auto wanted = std::ranges::find(wanted_.tenants, tenant.name, &TenantSettings::name);
      if (wanted != wanted_.tenants.end()) {
        tenant.max_flows = wanted->max_flows;
        tenant.max_dials = wanted->max_dials;
        tenant.max_udp_sockets = wanted->max_udp_sockets;
        tenant.max_half_open = wanted->max_half_open;
        tenant.max_connections = wanted->max_connections;
        tenant.max_new_flows = wanted->max_new_flows;
        tenant.max_new_flows_of_tunnel = wanted->max_new_flows_of_tunnel;
        tenant.bandwidth = wanted->bandwidth;
      }
    }
    differs("tenants", next != wanted_.tenants);
  }

  void policy() {
    change_.for_policy = change_.next;
    std::vector<TenantSettings>& known = change_.for_policy.tenants;
    for (TenantSettings tenant : wanted_.tenants) {
      if (std::ranges::find(known, tenant.name, &TenantSettings::name) == known.end()) {
        tenant.id = 0;
        known.push_back(std::move(tenant));
      }
    }
  }

  void flows() {
    const FlowSettings& wanted = wanted_.flows;
    Timeouts& next = change_.next.flows.timeouts;
    const Timeouts before = std::exchange(next, wanted.timeouts);
    next.fragments = before.fragments;
    next.tunnel_away = before.tunnel_away;
    differs("flows.max", running_.flows.max != wanted.max);
    differs("flows.timeouts.fragments", before.fragments != wanted.timeouts.fragments);
    differs("flows.timeouts.tunnel_away", before.tunnel_away != wanted.timeouts.tunnel_away);
  }

  const Settings& running_;
  const Settings& wanted_;
  SettingsChange change_;
};

}  // namespace

SettingsChange change_of(const Settings& running, const Settings& wanted) {
  return Comparison(running, wanted).run();
}

}  // namespace gateway
