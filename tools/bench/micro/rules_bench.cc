// What the rules cost a new flow: as many of four kinds as the argument says, none of which match,
// and the same by asking one rule after the other. A shard asks them as the first app of its hooks:
// rules/ask is with that and what is counted, rules/count without the hooks.

#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "gateway/config/config_loader.h"
#include "gateway/flow/flow_region.h"
#include "gateway/hooks/hook_desk.h"
#include "gateway/policy/policy.h"
#include "tests/support/addresses.h"

namespace bench {
namespace {

using gateway::FlowFacts;
using gateway::Policy;

gateway::Settings settings_with(std::size_t rules) {
  std::string text = "tenants: [{name: acme, id: 7}]\n";
  text += rules == 0 ? "" : "rules:\n";
  for (std::size_t i = 0; i < rules; ++i) {
    const std::string number = std::to_string(i);
    const std::string byte = std::to_string(i % 256);
    const std::string matches[] = {
        "destination: [10." + std::to_string(i / 256 % 256) + "." + byte + ".0/24, 172.16." + byte +
            ".0/24], protocol: tcp",
        "destination_port: [" + std::to_string(10'000 + i) + ", 20000-20010]",
        "name: [\"*.site" + number + ".example\"]",
        "source: 100.64." + byte + ".0/24, destination_port: 443",
    };
    text += "- {name: r" + number + ", match: {" + matches[i % 4] + "}, action: reject}\n";
  }
  return gateway::load_config(text, "bench").value();
}

FlowFacts facts() {
  FlowFacts made;
  made.key = {test_support::endpoint("100.127.0.2:40000"), test_support::endpoint("192.0.2.1:443"),
              7, flows::Protocol::kTcp};
  made.names.add({.text = "www.example.com"});
  return made;
}

void decide(benchmark::State& state) {
  const Policy policy(settings_with(static_cast<std::size_t>(state.range(0))));
  FlowFacts flow = facts();
  for (auto _ : state) {
    benchmark::DoNotOptimize(flow);
    benchmark::DoNotOptimize(policy.decide(flow));
  }
}

void walk(benchmark::State& state) {
  const Policy policy(settings_with(static_cast<std::size_t>(state.range(0))));
  FlowFacts flow = facts();
  for (auto _ : state) {
    benchmark::DoNotOptimize(flow);
    std::size_t i = 0;
    while (i < policy.rule_count() && policy.compiled(i).first_failed(flow)) {
      ++i;
    }
    benchmark::DoNotOptimize(i);
  }
}

struct NoTunnel final : gateway::Tunnel {
  using Tunnel::Tunnel;
  flows::WireCount send(const gateway::RawPacket& /*packet*/,
                        const flows::Packet& /*parsed*/) override {
    return {};
  }
};

void count(benchmark::State& state) {
  gateway::Rulings rulings(
      std::make_shared<const Policy>(settings_with(static_cast<std::size_t>(state.range(0)))));
  FlowFacts flow = facts();
  for (auto _ : state) {
    benchmark::DoNotOptimize(flow);
    benchmark::DoNotOptimize(rulings.decide(flow));
  }
}

void ask(benchmark::State& state) {
  gateway::Settings settings = settings_with(static_cast<std::size_t>(state.range(0)));
  settings.flows.max = settings.nat.bindings = 16;
  auto region = gateway::FlowRegion::create(flows::FlowTable::region_bytes(16)).value();
  const auto audit = gateway::AuditLog::open("", {}).value();
  gateway::FlowQuota quota(16);
  gateway::FlowKeeper keeper(region, settings, {.low = 1, .high = 2}, *audit, base::Clock::now(),
                             {.shard = 0, .quota = quota});
  gateway::Rulings rulings(std::make_shared<const Policy>(settings));
  const gateway::GatewayAddresses addresses;
  gateway::HookDesk desk(settings, keeper, rulings, addresses);
  gateway::Tenant tenant(settings.tenants.front());
  NoTunnel tunnel({}, tenant);
  FlowFacts flow = facts();
  for (auto _ : state) {
    benchmark::DoNotOptimize(flow);
    benchmark::DoNotOptimize(desk.decide(flow, tunnel, nullptr));
  }
}

BENCHMARK(decide)->Name("rules/decide")->Arg(0)->Arg(4)->Arg(16)->Arg(100)->Arg(1'000)->Arg(10'000);
BENCHMARK(count)->Name("rules/count")->Arg(0)->Arg(1'000);
BENCHMARK(ask)->Name("rules/ask")->Arg(0)->Arg(1'000);
BENCHMARK(walk)->Name("rules/walk")->Arg(0)->Arg(4)->Arg(16)->Arg(100)->Arg(1'000)->Arg(10'000);

}  // namespace
}  // namespace bench
