#include "gateway/config/settings_change.h"

#include <array>
#include <functional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/config/config_loader.h"
#include "gateway/config/config_writer.h"

namespace gateway {
namespace {

Settings settings(const std::string& text) {
  const auto loaded = load_config(text, "test");
  EXPECT_TRUE(loaded) << loaded.error()[0].to_string();
  return loaded ? *loaded : default_settings();
}

TEST(SettingsChange, RulesLogLimitsAndTimeoutsFollow) {
  const Settings running = settings("tenants: [{name: acme, max_flows: 10}]");
  const Settings wanted = settings(
      "tenants: [{name: acme, max_flows: 20, max_dials: 3, max_udp_sockets: 4,\n"
      "  max_half_open: 5, max_connections: 6, max_new_flows: 7/s,\n"
      "  max_new_flows_of_tunnel: 8/m, bandwidth: 1Mbit/s}]\n"
      "rules: [{name: r, action: drop}]\n"
      "log: {level: debug}\n"
      "flows: {timeouts: {udp: 7s}}\n");
  const SettingsChange change = change_of(running, wanted);
  EXPECT_TRUE(change.after_restart.empty());
  EXPECT_EQ(change.next, wanted);
  EXPECT_EQ(change.for_policy, wanted);
}

TEST(SettingsChange, WhatCannotFollowIsNamedAndStays) {
  const Settings running = settings("tenants: [{name: acme, id: 1}]");
  const Settings wanted = settings(
      "tenants: [{name: acme, id: 2}, {name: umbrella, id: 1}]\n"
      "rules: [{name: r, match: {tenant: umbrella}, action: drop}]\n"
      "flows: {max: 7, timeouts: {fragments: 7s}}\n"
      "handshake: eager\n"
      "io: {coalesce: false}\n");
  const SettingsChange change = change_of(running, wanted);
  EXPECT_EQ(change.after_restart,
            (std::vector<std::string>{"tenants", "flows.max", "flows.timeouts.fragments",
                                      "handshake", "io"}));
  EXPECT_EQ(change.next.tenants, running.tenants);
  EXPECT_EQ(change.next.flows, running.flows);
  EXPECT_EQ(change.next.handshake, running.handshake);
  EXPECT_EQ(change.next.rules, wanted.rules);
  // The rule names a tenant that is not there yet, and must not mean the one with its number.
  ASSERT_EQ(change.for_policy.tenants.size(), 2U);
  EXPECT_EQ(change.for_policy.tenants[0].id, 1U);
  EXPECT_EQ(change.for_policy.tenants[1].id, 0U);
}

// A key that nobody thought of would be read, and neither hold nor be named.
TEST(SettingsChange, EveryKeyOfAFileFollowsOrIsNamed) {
  struct Changed {
    std::string_view key;
    std::string_view text;
    bool follows;
  };
  constexpr auto kChanges = std::to_array<Changed>({
      {"workers", "workers: 3", false},
      {"control", "control: {path: /tmp/other.sock}", false},
      {"onramps", "onramps: [{seqpacket: {path: /tmp/other.sock}}]", false},
      {"tenants", "tenants: [{name: default, id: 1, max_flows: 7}]", true},
      {"rules", "rules: [{name: r, action: drop}]", true},
      {"flows", "flows: {timeouts: {udp: 7s}}", true},
      {"nat", "nat: {bindings: 7000}", false},
      {"udp", "udp: {filter: address_and_port_dependent}", false},
      {"io", "io: {pace_nearby: true}", false},
      {"handshake", "handshake: eager", false},
      {"confine", "confine: off", false},
      {"audit", "audit: {path: /tmp/other.jsonl}", false},
      {"log", "log: {level: debug}", true},
      {"telemetry", "telemetry: {listen: '127.0.0.1:1'}", false},
      {"hooks", "hooks: {trace: 7}", false},
  });
  std::set<std::string, std::less<>> keys;
  std::istringstream file(config_text(default_settings()));
  for (std::string line; std::getline(file, line);) {
    if (const auto colon = line.find(':'); !line.starts_with(' ') && !line.starts_with('#') &&
                                           !line.starts_with('-') && colon != std::string::npos) {
      keys.insert(line.substr(0, colon));
    }
  }
  const Settings running = settings("");
  for (const Changed& change : kChanges) {
    const auto key = keys.find(change.key);
    ASSERT_NE(key, keys.end()) << change.key << " is no key any more";
    keys.erase(key);
    const Settings wanted = settings(std::string(change.text));
    ASSERT_NE(wanted, running) << change.text;
    const SettingsChange found = change_of(running, wanted);
    EXPECT_EQ(found.next == wanted, change.follows) << change.key;
    const auto named = testing::Contains(testing::StartsWith(std::string(change.key)));
    if (change.follows) {
      EXPECT_THAT(found.after_restart, testing::IsEmpty()) << change.key;
    } else {
      EXPECT_THAT(found.after_restart, named) << change.key;
    }
  }
  EXPECT_THAT(keys, testing::IsEmpty()) << "has no line above";
}

}  // namespace
}  // namespace gateway
