// `liftgate run`: one command in a network of its own, every flow of which the gateway sees.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "gateway/config/settings.h"
#include "gateway/hooks/app.h"
#include "gateway/run/publish.h"

namespace gateway {

struct RunOptions {
  Settings settings;
  std::string config_path;  // where they are from, for reloads; empty: nowhere
  std::vector<PublishedPorts> publish;
  std::optional<base::IpAddress> map_host;  // stands for this host's loopback inside
  std::string audit_path;                   // empty: as the settings say
  std::vector<std::string> command;         // the program and its arguments, at least one word
  hooks::App* app = nullptr;                // null: plain liftgate
};

/// Why `address` cannot stand for the host's loopback inside; nothing: it can.
std::optional<std::string> why_no_map_host(const base::IpAddress& address);

/// The exit status of the process: the command's own, as a shell would report it.
int run(const RunOptions& options);

}  // namespace gateway
