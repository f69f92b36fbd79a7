// SandboxConfig: what a sandbox is to contain.
#pragma once

#include <string>
#include <vector>

#include "base/endpoint.h"
#include "netns/enforcement.h"
#include "netns/mounted_file.h"
#include "netns/sysctl.h"
#include "netns/tun_device.h"

namespace netns {

/// A listening TCP socket, bound inside. An IPv6 one takes IPv6 only.
struct ListenerConfig {
  base::Endpoint endpoint{};
  int backlog = 65535;  // the namespace's net.core.somaxconn is raised to it where that is allowed

  friend bool operator==(const ListenerConfig&, const ListenerConfig&) = default;
};

struct SandboxConfig {
  TunConfig tun{};
  std::vector<ListenerConfig> listeners{};
  std::vector<Sysctl> sysctls{};     // set before the device is up and before anything listens
  bool mount_namespace = false;      // programs inside get a copy of the mounts
  std::vector<MountedFile> files{};  // what they see instead; implies mount_namespace
  // In their place they see empty ones, which they may use; implies mount_namespace.
  std::vector<std::string> hidden_directories{};
  Enforcement enforcement = Enforcement::kKill;  // of the helper's system call filters

  friend bool operator==(const SandboxConfig&, const SandboxConfig&) = default;
};

}  // namespace netns
