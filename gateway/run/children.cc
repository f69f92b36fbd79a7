#include "gateway/run/children.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "base/time.h"

namespace gateway {
namespace {

constexpr base::Duration kGrace = std::chrono::seconds(1);     // chosen: between TERM and KILL
constexpr base::Duration kPatience = std::chrono::seconds(5);  // chosen: for both
constexpr int kLookMillis = 5;

// From /proc/PID/stat: "PID (name) state PPID ...". The name may hold anything, so that the fields
// begin behind its last parenthesis. -1: it is gone.
pid_t parent_of(const std::filesystem::path& process) {
  std::ifstream file(process / "stat");
  std::string stat;
  std::getline(file, stat);
  std::istringstream fields(stat.substr(stat.rfind(')') + 1));
  char state = 0;
  pid_t parent = -1;
  fields >> state >> parent;
  return fields ? parent : -1;
}

// /proc/PID/task/TID/children would be shorter, where the kernel was built with it.
std::vector<pid_t> children() {
  std::vector<pid_t> found;
  std::error_code failed;
  const pid_t self = ::getpid();
  for (const auto& entry : std::filesystem::directory_iterator("/proc", failed)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") == std::string::npos &&
        parent_of(entry.path()) == self) {
      found.push_back(std::stoi(name));
    }
  }
  return found;
}

bool is_reaped(pid_t pid) {
  return ::waitpid(pid, nullptr, WNOHANG) == pid;
}

}  // namespace

void adopt_orphans() {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

void end_children(const std::function<bool(pid_t)>& is_spared) {
  const base::Instant start = base::Clock::now();
  std::set<pid_t> asked;
  for (base::Instant now = start; now - start < kPatience; now = base::Clock::now()) {
    auto left = children();
    std::erase_if(left, [&](pid_t pid) { return is_spared(pid) || is_reaped(pid); });
    if (left.empty()) {
      return;
    }
    for (const pid_t pid : left) {
      if (now - start >= kGrace) {
        ::kill(pid, SIGKILL);
      } else if (asked.insert(pid).second) {
        ::kill(pid, SIGTERM);
      }
    }
    ::poll(nullptr, 0, kLookMillis);
  }
}

int end_like(int wait_status) {
  if (!WIFSIGNALED(wait_status)) {
    return WEXITSTATUS(wait_status);
  }
  const int signal = WTERMSIG(wait_status);
  const rlimit no_core{};
  ::setrlimit(RLIMIT_CORE, &no_core);  // the command's own is enough
  std::signal(signal, SIG_DFL);
  sigset_t only;
  ::sigemptyset(&only);
  ::sigaddset(&only, signal);
  ::pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  ::raise(signal);
  return 128 + signal;
}

}  // namespace gateway
