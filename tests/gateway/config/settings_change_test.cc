#include "gateway/config/settings_change.h"

#include <gtest/gtest.h>

#include "gateway/config/config_loader.h"

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

}  // namespace
}  // namespace gateway
