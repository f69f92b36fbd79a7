#include "gateway/control/socket_path.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace gateway {
namespace {

constexpr const char* kRunDirectory = "/run/liftgate";
constexpr mode_t kPrivate = 0700;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool may_write(const char* directory) {
  return ::faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) == 0;
}

bool may_use_run() {
  if (may_write(kRunDirectory)) {
    return true;
  }
  return errno == ENOENT && may_write("/run");
}

bool is_usable(const std::string& runtime_directory) {
  return runtime_directory.starts_with('/');
}

std::string below(const std::string& runtime_directory) {
  return runtime_directory + "/liftgate";
}

std::string temporary(uid_t uid) {
  return "/tmp/liftgate-" + std::to_string(uid);
}

ControlPathFacts facts_of_this_process() {
  return {.liftgate_socket = environment("LIFTGATE_SOCKET"),
          .runtime_directory = environment("XDG_RUNTIME_DIR"),
          .may_use_run = may_use_run(),
          .uid = ::geteuid()};
}

bool open_to_everybody(const struct stat& directory) {
  return (directory.st_mode & S_IWOTH) != 0;
}

base::Error refusal(const std::string& directory, const char* why) {
  return base::failure(directory + ": " + why);
}

// `inside_public`: the folder above lets everybody make entries, so this one may be a trap.
base::SysResult<void> check_directory(const std::string& path, const struct stat& found,
                                      bool inside_public) {
  if (inside_public && S_ISLNK(found.st_mode)) {
    return base::Unexpected{refusal(path, "is a symbolic link in a folder open to everybody")};
  }
  if (inside_public && found.st_uid != ::geteuid() && found.st_uid != 0) {
    return base::Unexpected{
        refusal(path, "belongs to another user, in a folder open to everybody")};
  }
  return {};
}

// The folder at `path`, made when it is missing.
base::SysResult<struct stat> ensure_directory(const std::string& path, bool inside_public) {
  if (::mkdir(path.c_str(), kPrivate) != 0 && errno != EEXIST && errno != EROFS &&
      errno != EACCES) {
    return base::Unexpected{base::last_error("mkdir " + path)};
  }
  const base::Error why = base::last_error("mkdir " + path);
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) {
    return base::Unexpected{errno == ENOENT ? why : base::last_error("stat " + path)};
  }
  if (auto checked = check_directory(path, found, inside_public); !checked) {
    return base::Unexpected{checked.error()};
  }
  if (::stat(path.c_str(), &found) != 0) {
    return base::Unexpected{base::last_error("stat " + path)};
  }
  if (!S_ISDIR(found.st_mode)) {
    return base::Unexpected{
        base::Error{std::make_error_code(std::errc::not_a_directory), path, {}}};
  }
  return found;
}

}  // namespace

std::string control_path(const ControlPathFacts& facts) {
  if (!facts.liftgate_socket.empty()) {
    return facts.liftgate_socket;
  }
  const std::string directory = is_usable(facts.runtime_directory)
                                    ? below(facts.runtime_directory)
                                    : (facts.may_use_run ? kRunDirectory : temporary(facts.uid));
  return directory + "/control.sock";
}

std::string default_control_path() {
  return control_path(facts_of_this_process());
}

std::vector<std::string> control_directories(const ControlPathFacts& facts) {
  std::vector<std::string> all{kRunDirectory, temporary(facts.uid)};
  if (is_usable(facts.runtime_directory)) {
    all.push_back(below(facts.runtime_directory));
  }
  return all;
}

std::vector<std::string> control_directories() {
  return control_directories(facts_of_this_process());
}

std::string default_onramp_path(const std::string& control_path) {
  return control_path.substr(0, control_path.rfind('/') + 1) + "onramp.sock";  // npos + 1 is 0
}

base::SysResult<void> make_parent_directory(const std::string& path) {
  bool inside_public = false;
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    if (path[slash - 1] == '/') {
      continue;
    }
    const auto directory = ensure_directory(path.substr(0, slash), inside_public);
    if (!directory) {
      return base::Unexpected{directory.error()};
    }
    inside_public = open_to_everybody(*directory);
  }
  return {};
}

}  // namespace gateway
