#include "gateway/doctor.h"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "gateway/control/socket_path.h"
#include "gateway/doctor_checks.h"
#include "gateway/doctor_confinement.h"
#include "gateway/upgrade/socket_marks.h"
#include "netns/diagnosis.h"
#include "netns/sandbox.h"

namespace gateway {
namespace {

// The first line of a file below /proc; empty when there is none.
std::string setting(const char* path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  std::ranges::replace(line, '\t', ' ');
  return line;
}

// The errno of making such a socket; 0 when it works.
int socket_error(int domain, int type, int protocol) {
  const auto made = base::Fd::adopt(::socket(domain, type | SOCK_CLOEXEC, protocol));
  return made.is_open() ? 0 : errno;
}

// In the child: makes the namespaces, and brings a device up, which needs a right inside. AppArmor
// grants the namespaces and takes the rights.
int try_namespaces() {
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
    return errno;
  }
  const auto control = base::Fd::adopt(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq loopback{};
  std::string_view("lo").copy(loopback.ifr_name, sizeof(loopback.ifr_name) - 1);
  loopback.ifr_flags = IFF_UP;
  return ::ioctl(control.get(), SIOCSIFFLAGS, &loopback) == 0 ? 0 : errno;
}

// Its errno, from a child of ours: this process stays where it is.
int namespace_error() {
  const pid_t child = ::fork();
  if (child < 0) {
    return errno;
  }
  if (child == 0) {
    ::_exit(try_namespaces());  // errno values fit into an exit status
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;  // a seccomp filter may kill
}

Finding examine_apparmor(int error) {
  std::error_code ignored;
  return judge_apparmor({.restricts = netns::apparmor_restricts_user_namespaces(),
                         .namespace_error = error,
                         .program = std::filesystem::read_symlink("/proc/self/exe", ignored)});
}

Finding examine_sandbox() {
  netns::SandboxConfig config;
  config.tun.addresses = {{*base::IpAddress::parse("198.18.0.1"), 15}};
  auto sandbox = netns::Sandbox::start(config);
  if (!sandbox) {
    return judge_sandbox(base::Unexpected{sandbox.error()});
  }
  return judge_sandbox(sandbox->offload());
}

Finding examine_tun_device() {
  constexpr const char* kPath = "/dev/net/tun";
  TunDeviceFacts facts;
  struct stat found{};
  if (::stat(kPath, &found) != 0) {
    facts.stat_error = errno;
    return judge_tun_device(facts);
  }
  facts.is_character_device = S_ISCHR(found.st_mode);
  facts.mode = found.st_mode;
  if (facts.is_character_device) {
    const auto opened = base::Fd::adopt(::open(kPath, O_RDWR | O_CLOEXEC | O_NONBLOCK));
    facts.open_error = opened.is_open() ? 0 : errno;
  }
  return judge_tun_device(facts);
}

Finding examine_ping() {
  return judge_ping({.socket_error = socket_error(AF_INET, SOCK_DGRAM, IPPROTO_ICMP),
                     .range = setting("/proc/sys/net/ipv4/ping_group_range")});
}

Finding examine_io_uring() {
  // struct io_uring_params is 120 bytes, all zero for the defaults; liburing is not needed to ask.
  std::array<std::uint64_t, 15> parameters{};
  const long made = ::syscall(SYS_io_uring_setup, 8, parameters.data());
  const int error = made < 0 ? errno : 0;
  const auto ring = base::Fd::adopt(static_cast<int>(made));
  return judge_io_uring(
      {.setup_error = error, .disabled = setting("/proc/sys/kernel/io_uring_disabled")});
}

Finding examine_descriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return judge_descriptors(limit.rlim_cur, limit.rlim_max);
}

Finding examine_send_buffer() {
  std::uint64_t bytes = 0;
  std::ifstream file("/proc/sys/net/core/wmem_max");
  const bool read = static_cast<bool>(file >> bytes);
  return judge_send_buffer(read ? std::optional(bytes) : std::nullopt);
}

Finding examine_ipv6() {
  return judge_ipv6({.socket_error = socket_error(AF_INET6, SOCK_DGRAM, 0),
                     .disabled = setting("/proc/sys/net/ipv6/conf/all/disable_ipv6") == "1"});
}

std::string_view name(Finding::Mark mark) {
  switch (mark) {
    case Finding::Mark::kOk:
      return "ok";
    case Finding::Mark::kWarn:
      return "warn";
    case Finding::Mark::kFail:
      return "fail";
  }
  return "";
}

bool is_healthy(const std::vector<Finding>& findings) {
  return std::ranges::none_of(
      findings, [](const Finding& finding) { return finding.mark == Finding::Mark::kFail; });
}

std::string as_text(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    text += fmt::format("{:4}  {:15}  {}\n", name(finding.mark), finding.check, finding.what);
    std::istringstream cure(finding.cure);
    const char* margin = "cure:";
    for (std::string line; std::getline(cure, line); margin = "") {
      text += fmt::format("{:>22} {}\n", margin, line);
    }
  }
  return text;
}

std::string as_json(const std::vector<Finding>& findings) {
  nlohmann::ordered_json all;
  all["ok"] = is_healthy(findings);
  all["checks"] = nlohmann::ordered_json::array();
  for (const Finding& finding : findings) {
    all["checks"].push_back({{"check", finding.check},
                             {"mark", name(finding.mark)},
                             {"what", finding.what},
                             {"cure", finding.cure}});
  }
  return all.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

std::vector<Finding> examine_machine() {
  const int error = namespace_error();
  std::vector<Finding> findings = {judge_user_namespaces(error),
                                   examine_apparmor(error),
                                   examine_tun_device(),
                                   examine_sandbox(),
                                   examine_ping(),
                                   examine_io_uring(),
                                   examine_descriptors(),
                                   examine_send_buffer(),
                                   examine_ipv6(),
                                   judge_socket_marks(may_mark_sockets()),
                                   judge_user(::geteuid()),
                                   examine_confinement()};
  if (auto running = examine_running_gateway(default_control_path())) {
    findings.push_back(std::move(*running));
  }
  return findings;
}

std::string print_findings(const std::vector<Finding>& findings, DoctorFormat format) {
  return format == DoctorFormat::kJson ? as_json(findings) : as_text(findings);
}

int doctor(std::ostream& out, DoctorFormat format) {
  const auto findings = examine_machine();
  out << print_findings(findings, format) << std::flush;
  return out && is_healthy(findings) ? 0 : 1;
}

}  // namespace gateway
