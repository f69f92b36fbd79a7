// Confine: what the processes of a gateway may still do, and with which files.
#pragma once

#include <string>
#include <vector>

#include "gateway/config/config_loader.h"
#include "gateway/config/settings.h"
#include "netns/confinement.h"

namespace gateway {

netns::Enforcement enforcement_of(Confine confine);

/// What a gateway opens, makes and removes once it serves. `config_path` may be empty.
std::vector<netns::FileRule> files_of_gateway(const Settings& settings,
                                              const std::string& config_path);

/// Confines this process, which is `role`, and says in the log what is in force, and what is not
/// and why. The gateway has everything open by then that only exists at the start.
void confine_gateway(netns::Role role, const Settings& settings, const std::string& config_path);

/// load_config_file() for a gateway that is confined by now: where that is why a file cannot be
/// read, the problem says what to do.
base::Result<Settings, ConfigProblems> load_config_while_confined(
    const std::string& path, const hooks::AppSection& app = {});

/// confine_gateway() for the process above the gateway of `liftgate run`, which has nothing to say.
void confine_supervisor(Confine confine);

}  // namespace gateway
