#include "gateway/confine/confine.h"

#include <linux/capability.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <system_error>

#include "base/check.h"
#include "gateway/log.h"
#include "gateway/log_value.h"
#include "gateway/upgrade/socket_marks.h"

namespace gateway {
namespace {

using netns::Access;
using netns::FileRule;

namespace fs = std::filesystem;

// Where the file is that `path` leads to, through links, or would be. Empty: nowhere.
std::string directory_of(const std::string& path) {
  std::error_code failed;
  const fs::path whole = fs::weakly_canonical(fs::absolute(path, failed), failed);
  return failed ? "" : whole.parent_path().string();
}

bool is_device_or_pipe(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
}

// Of a SIGHUP after a rotation: the file may have gone, and is made again.
FileRule audit_rule(const std::string& path) {
  return is_device_or_pipe(path)
             ? FileRule{path, Access::kRead | Access::kWrite}
             : FileRule{directory_of(path), Access::kRead | Access::kWrite | Access::kCreate};
}

// A new helper is this program again: its file, the loader and libraries are what is mapped as code
// now. Of /proc/self/maps: "address permissions offset device inode path".
void add_own_program(std::vector<FileRule>& rules) {
  std::ifstream maps("/proc/self/maps");
  std::string last;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    std::string word;
    std::string permissions;
    std::string path;
    fields >> word >> permissions >> word >> word >> word;
    std::getline(fields >> std::ws, path);
    if (permissions.find('x') != std::string::npos && path.starts_with('/') && path != last) {
      rules.push_back({path, Access::kRead | Access::kExecute});
      last = path;
    }
  }
}

// A rule's time of day, and the users and groups that a configuration names.
constexpr std::string_view kOfLibc[] = {
    "/etc", "/usr/lib", "/lib", "/lib64", "/usr/share/zoneinfo", "/var/lib/sss"};

void add_sockets(const Settings& settings, std::vector<FileRule>& rules) {
  const auto add = [&](const std::string& path) {
    rules.push_back({directory_of(path), Access::kRead | Access::kRemove});
  };
  add(settings.control_path);
  for (const Onramp& onramp : settings.onramps) {
    if (onramp.seqpacket) {
      add(onramp.seqpacket->path);
    }
  }
}

netns::CapabilitySet needed_capabilities(const Settings& settings) {
  netns::CapabilitySet needed = 0;
  if (::geteuid() == 0) {
    needed |= netns::CapabilitySet{1} << CAP_SETFCAP;  // to map itself into a new sandbox
  }
  if (has_marks(settings.rules)) {
    needed |= netns::CapabilitySet{1} << CAP_NET_RAW;  // SO_MARK, from Linux 5.17 on
  }
  return needed;
}

}  // namespace

netns::Enforcement enforcement_of(Confine confine) {
  switch (confine) {
    case Confine::kAuto:
      return netns::Enforcement::kKill;
    case Confine::kLog:
      return netns::Enforcement::kLog;
    case Confine::kOff:
      return netns::Enforcement::kOff;
  }
  base::check_failed("confine is a Confine", __FILE__, __LINE__);
}

std::vector<FileRule> files_of_gateway(const Settings& settings, const std::string& config_path) {
  std::vector<FileRule> rules = {
      // A new sandbox: its id maps, its sysctls, its TUN. Of other processes Landlock itself shows
      // a confined one nothing that it could not read without being their tracer.
      {"/proc", Access::kRead | Access::kWrite},
      {"/dev/null", Access::kRead | Access::kWrite},
      {"/dev/net/tun", Access::kRead | Access::kWrite},
  };
  for (const std::string_view path : kOfLibc) {
    rules.push_back({std::string(path), Access::kRead});
  }
  add_own_program(rules);
  add_sockets(settings, rules);
  if (const std::string& secret = settings.telemetry.token.source; secret.starts_with("file:")) {
    rules.push_back({directory_of(secret.substr(5)), Access::kRead});  // at a reload, perhaps anew
  }
  if (!settings.audit_path.empty()) {
    rules.push_back(audit_rule(settings.audit_path));
  }
  if (!config_path.empty()) {
    rules.push_back({directory_of(config_path), Access::kRead});  // editors replace files
  }
  return rules;
}

void confine_gateway(netns::Role role, const Settings& settings, const std::string& config_path) {
  // The stderr of `liftgate run` is the command's, and `liftgate doctor` says it as well.
  const LogLevel level = role == netns::Role::kRun ? LogLevel::kInfo : LogLevel::kWarn;
  if (settings.confine == Confine::kOff) {
    log_at(level, "not confined: the configuration says `confine: off`");
    return;
  }
  const netns::InForce in_force = netns::confine({.role = role,
                                                  .enforcement = enforcement_of(settings.confine),
                                                  .files = files_of_gateway(settings, config_path),
                                                  .capabilities = needed_capabilities(settings)});
  for (const base::Error& missing : in_force.missing) {
    log_at(level, "not confined as it should be error={}", LogValue{missing.message()});
  }
  log_info("confined in_force={}", LogValue{in_force.to_string()});
}

base::Result<Settings, ConfigProblems> load_config_while_confined(const std::string& path,
                                                                  const hooks::AppSection& app) {
  auto loaded = load_config_file(path, app);
  // Landlock forbids opening, and leaves it to be asked whether the file's mode would allow it.
  if (!loaded && loaded.error().front().line == 0 && ::access(path.c_str(), R_OK) == 0) {
    ConfigProblems problems = loaded.error();
    problems.front().cure =
        "The gateway is confined, and reads configurations in /etc and in the directory of the "
        "one that it was started with: put it there, or start it with `confine: off`.";
    return base::Unexpected{std::move(problems)};
  }
  return loaded;
}

void confine_supervisor(Confine confine) {
  (void)netns::confine({.role = netns::Role::kSupervisor,
                        .enforcement = enforcement_of(confine),
                        .files = {{"/proc", Access::kRead}}});
}

}  // namespace gateway
