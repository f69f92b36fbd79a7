// SettingsChange: which of two configurations' differences a running gateway can follow. Pure.
#pragma once

#include <string>
#include <vector>

#include "gateway/config/settings.h"

namespace gateway {

struct SettingsChange {
  /// What holds from now on: the rules, log, limits of tenants and most timeouts of the new
  /// configuration, and of the old one everything else.
  Settings next;
  /// For the new rules: `next`, with the tenants that they may name and that there will be after a
  /// restart, under a number that no packet has.
  Settings for_policy;
  /// Keys that differ and only hold after a restart: "onramps", "flows.max".
  std::vector<std::string> after_restart;
};

SettingsChange change_of(const Settings& running, const Settings& wanted);

}  // namespace gateway
