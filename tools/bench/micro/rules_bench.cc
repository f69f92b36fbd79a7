// What the rules cost a new flow: as many of four kinds as the argument says, none of which match,
// and the same by asking one rule after the other.

#include <benchmark/benchmark.h>

#include <string>

#include "gateway/config/config_loader.h"
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

BENCHMARK(decide)->Name("rules/decide")->Arg(0)->Arg(4)->Arg(16)->Arg(100)->Arg(1'000)->Arg(10'000);
BENCHMARK(walk)->Name("rules/walk")->Arg(0)->Arg(4)->Arg(16)->Arg(100)->Arg(1'000)->Arg(10'000);

}  // namespace
}  // namespace bench
