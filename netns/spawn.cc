#include "netns/spawn.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "netns/capabilities.h"
#include "netns/exec_report.h"
#include "netns/landlock.h"

namespace netns {
namespace {

using base::Fd;
using base::SysResult;
using base::Unexpected;

constexpr CapabilitySet kStaysBounded = CapabilitySet{1} << CAP_NET_RAW;
constexpr std::string_view kUsualPath = "/usr/local/bin:/usr/bin:/bin";
constexpr int kStandardFds = 3;

std::vector<char*> pointers_to(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& text : strings) {
    pointers.push_back(const_cast<char*>(text.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

std::string_view path_of(const std::vector<std::string>& environment) {
  constexpr std::string_view kName = "PATH=";
  for (const std::string_view entry : environment) {
    if (entry.starts_with(kName)) {
      return entry.substr(kName.size());
    }
  }
  const char* ours = environment.empty() ? ::getenv("PATH") : nullptr;
  return ours != nullptr ? std::string_view(ours) : kUsualPath;
}

// Where `program` may be, in the order to try. An empty entry of PATH is the working directory.
std::vector<std::string> places_of(const std::string& program, std::string_view path) {
  if (program.find('/') != std::string::npos || program.empty()) {
    return {program};
  }
  std::vector<std::string> places;
  for (;;) {
    const std::size_t colon = path.find(':');
    const std::string_view folder = path.substr(0, colon);
    places.push_back(folder.empty() ? "./" + program : std::string(folder) + "/" + program);
    if (colon == std::string_view::npos) {
      return places;
    }
    path.remove_prefix(colon + 1);
  }
}

const std::string kDoingExec = "executing ";

// Everything that the child needs, made beforehand: after the clone it may not allocate.
struct Plan {
  int sandbox_pidfd = -1;
  int namespaces = 0;
  std::array<int, kStandardFds> standard_fds{};
  std::string folder;  // empty: stay
  bool die_with_parent = true;
  pid_t parent = -1;
  sigset_t ignored_signals{};
  std::optional<SignalScope> signals;
  std::vector<std::string> places;
  std::vector<char*> arguments;
  std::vector<char*> environment;
  std::string doing_folder;
  std::string doing_exec;
};

Plan make_plan(const Sandbox& sandbox, const Command& command) {
  Plan plan;
  plan.sandbox_pidfd = sandbox.pidfd().get();
  plan.namespaces = CLONE_NEWUSER | CLONE_NEWNET;
  plan.folder = command.working_directory;
  if (sandbox.has_mount_namespace()) {
    plan.namespaces |= CLONE_NEWNS;
    if (plan.folder.empty()) {
      // Joining a mount namespace moves to its root.
      std::error_code gone;
      plan.folder = std::filesystem::current_path(gone).string();
    }
  }
  plan.standard_fds = {command.stdin_fd, command.stdout_fd, command.stderr_fd};
  plan.die_with_parent = command.die_with_parent;
  plan.parent = ::getpid();
  plan.ignored_signals = command.ignored_signals;
  if (command.keep_signals_inside) {
    if (auto scope = SignalScope::make()) {
      plan.signals.emplace(std::move(*scope));
    }
  }
  plan.places = places_of(command.argv.front(), path_of(command.environment));
  plan.arguments = pointers_to(command.argv);
  plan.environment = pointers_to(command.environment);
  plan.doing_folder = "changing to directory " + plan.folder;
  plan.doing_exec = kDoingExec + command.argv.front();
  return plan;
}

// From here to the next such line: the child, in which only async-signal-safe calls are allowed.

// Through copies: any of the three may be a number that another of them is to become.
int place_standard_fds(const std::array<int, kStandardFds>& wanted) noexcept {
  std::array<int, kStandardFds> copies{};
  for (std::size_t i = 0; i < copies.size(); ++i) {
    copies[i] = ::fcntl(wanted[i], F_DUPFD_CLOEXEC, kStandardFds);
    if (copies[i] < 0) {
      return errno;
    }
  }
  for (std::size_t i = 0; i < copies.size(); ++i) {
    if (::dup2(copies[i], static_cast<int>(i)) < 0) {
      return errno;
    }
  }
  return 0;
}

// As execvp(3), which may allocate: the first file that can be executed. A folder of PATH that we
// may not search is one without the program.
int execute(const Plan& plan) noexcept {
  bool forbidden = false;
  char* const* environment =
      plan.environment.front() != nullptr ? plan.environment.data() : environ;
  for (const std::string& place : plan.places) {
    ::execve(place.c_str(), plan.arguments.data(), environment);
    if (errno == EACCES) {
      forbidden = forbidden || ::access(place.c_str(), F_OK) == 0;
    } else if (errno != ENOENT && errno != ENOTDIR) {
      return errno;
    }
  }
  return forbidden ? EACCES : ENOENT;
}

[[noreturn]] void become_program(const Plan& plan, const ExecReport& report) noexcept {
  if (::setns(plan.sandbox_pidfd, plan.namespaces) != 0) {
    report.fail("joining the sandbox's namespaces", errno);
  }
  // While it has a capability in there, and before its descriptor is closed.
  if (const int error = plan.signals ? plan.signals->restrict_this_thread() : 0; error != 0) {
    report.fail("keeping the program's signals inside", error);
  }
  if (const int error = place_standard_fds(plan.standard_fds); error != 0) {
    report.fail("placing the program's standard descriptors", error);
  }
  const auto kept = static_cast<unsigned>(report.child_fd());
  close_range_of(kStandardFds, kept - 1);
  close_from(kept + 1);
  if (!plan.folder.empty() && ::chdir(plan.folder.c_str()) != 0) {
    report.fail(plan.doing_folder.c_str(), errno);
  }
  if (const int error = drop_all_capabilities(kStaysBounded); error != 0) {
    report.fail("dropping the program's capabilities", error);
  }
  // After the last change of credentials, which clears it.
  if (plan.die_with_parent &&
      (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || ::getppid() != plan.parent)) {
    report.fail("binding the program's life to ours", errno);
  }
  reset_signals(plan.ignored_signals);
  report.fail(plan.doing_exec.c_str(), execute(plan));
}

// The parent again.

}  // namespace

SysResult<Process> spawn(const Sandbox& sandbox, const Command& command) {
  if (command.argv.empty()) {
    return Unexpected{base::failure("no program to run in the sandbox")};
  }
  auto report = ExecReport::open();
  if (!report) {
    return Unexpected{report.error()};
  }
  const Plan plan = make_plan(sandbox, command);
  Process child;
  int pidfd = -1;
  {
    const SignalBlock block;
    child.pid = clone_process(0, &pidfd);
    if (child.pid == 0) {
      become_program(plan, *report);
    }
  }
  if (child.pid < 0) {
    return Unexpected{base::last_error("cloning a process for " + command.argv.front())};
  }
  child.pidfd = Fd::adopt(pidfd);
  if (auto executed = report->wait(); !executed) {
    (void)wait_for_exit(child.pidfd);
    return Unexpected{executed.error()};
  }
  return child;
}

bool is_of_exec(const base::Error& error) {
  return error.doing.starts_with(kDoingExec);
}

}  // namespace netns
