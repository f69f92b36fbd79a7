// The command line of liftgate.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "gateway/hooks/app.h"
#include "gateway/run/run_command.h"

namespace gateway {

/// What was asked for; only the fields of its command are set.
struct CommandLine {
  enum class Command : std::uint8_t {
    kRun,
    kServe,
    kConfigDefault,
    kConfigCheck,
    kDoctor,
    kReload,
    kHooks
  };
  Command command{};
  std::string config_path;  // empty: the defaults
  std::string audit_path;
  std::vector<PublishedPorts> publish;
  std::optional<base::IpAddress> map_host;
  std::vector<std::string> words;  // kRun: the command to run
  bool json = false;               // kDoctor, kHooks
  bool audit_syscalls = false;     // kDoctor
  std::string socket;              // kReload
};

/// When there is nothing to do but answer: help, the version, a usage error.
struct CommandLineAnswer {
  int status = 0;
  std::string text;  // for stdout when status is 0, else for stderr
};

inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

/// `arguments` without the program's name.
base::Result<CommandLine, CommandLineAnswer> parse_command_line(
    const std::vector<std::string>& arguments);

/// Parses and does it. The exit status of the process.
/// `app`: whose program it is; null: plain liftgate.
int command_line_main(int argc, const char* const* argv, hooks::App* app = nullptr);

}  // namespace gateway
