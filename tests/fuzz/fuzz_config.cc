// Any bytes as a configuration: either settings that the gateway can be built from, or problems
// that an operator can read, each with its place.

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "gateway/config/config_loader.h"
#include "gateway/config/config_writer.h"
#include "gateway/config/setting_list.h"
#include "gateway/onramp/gue_peers.h"
#include "gateway/policy/policy.h"

namespace {

using gateway::Settings;

constexpr std::size_t kMostText = 1U << 20U;  // that the loader takes

void check_gue(const gateway::GueOnramp& onramp, const std::set<std::string_view>& tenants) {
  CHECK(!onramp.peers.empty() && onramp.max_peers > 0 && onramp.peer_timeout.count() > 0);
  CHECK(onramp.mtu_bytes >= 1280 && onramp.mtu_bytes <= gateway::kMostGueMtu);
  for (const auto& peers : onramp.peers) {
    CHECK(tenants.contains(peers.tenant));
    CHECK(std::ranges::all_of(peers.may_name, [&](auto& name) { return tenants.contains(name); }));
  }
}

void check_routes(const Settings& settings, const gateway::TenantSettings& tenant) {
  for (const auto& route : tenant.routes) {
    CHECK(route.gue.has_value() != route.tunnel.has_value());
    CHECK(!route.gue ||
          gateway::gue_onramp_for(settings.onramps, tenant.name, route.gue->address).has_value());
  }
}

void check_accepted(const Settings& settings) {
  CHECK(!settings.tenants.empty());
  std::set<std::string_view> names;
  std::set<std::uint32_t> ids;
  for (const auto& tenant : settings.tenants) {
    CHECK(!tenant.name.empty() && names.insert(tenant.name).second);
    CHECK(tenant.id != 0 && ids.insert(tenant.id).second);
    CHECK(tenant.max_flows > 0 && tenant.max_dials > 0);
    check_routes(settings, tenant);
  }
  std::set<std::string_view> paths = {settings.control_path};
  for (const auto& [seqpacket, gue] : settings.onramps) {
    CHECK(seqpacket.has_value() != gue.has_value());
    if (gue) {
      check_gue(*gue, names);
      continue;
    }
    const gateway::SeqpacketOnramp& onramp = *seqpacket;
    CHECK(!onramp.path.empty() && onramp.path.size() < 108 && paths.insert(onramp.path).second);
    CHECK(onramp.mode <= 0777 && onramp.context_timeout.count() > 0);
    for (const auto& allowed : onramp.allow) {
      CHECK(std::ranges::all_of(allowed.tenants, [&](auto& name) { return names.contains(name); }));
    }
  }
  for (const gateway::Rule& rule : settings.rules) {
    CHECK(rule.mark != 0U && (!rule.dscp || number(*rule.dscp) <= flows::kMostDscp));
  }
  CHECK(settings.flows.max > 0 && settings.flows.timeouts.udp.count() > 0);
  const gateway::Policy policy(settings);  // aborts when a rule names a tenant that is not there
  CHECK(policy.rule_count() == settings.rules.size());
}

// What /config serves is taken, and means the same.
void check_round_trip(const Settings& settings) {
  const std::string text = gateway::config_text(settings);
  if (text.size() > kMostText) {
    return;  // written shorter, as lists on one line, it had room
  }
  const auto again = gateway::load_config(text, "fuzz");
  CHECK(again.has_value());
  Settings expected = settings;
  if (expected.telemetry.token.source.empty()) {
    expected.telemetry.token = {};
  }
  CHECK(*again == expected);
  CHECK(gateway::config_text(*again) == gateway::config_text(expected));
}

void check_problem(const gateway::ConfigProblem& problem) {
  CHECK(problem.line >= 1 && problem.column >= 1);
  CHECK(!problem.what.empty());
  CHECK(problem.to_string().starts_with("fuzz:"));
  CHECK(base::is_printable(problem.to_string()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  const auto loaded = gateway::load_config(text, "fuzz");
  if (loaded) {
    check_accepted(*loaded);
    check_round_trip(*loaded);
    return 0;
  }
  CHECK(!loaded.error().empty());
  std::ranges::for_each(loaded.error(), check_problem);
  return 0;
}
