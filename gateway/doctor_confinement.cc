#include "gateway/doctor_confinement.h"

#include <fcntl.h>
#include <seccomp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/fd.h"
#include "base/utf8.h"
#include "gateway/config/settings.h"
#include "gateway/confine/confine.h"
#include "netns/permissions.h"

namespace gateway {
namespace {

using Mark = Finding::Mark;

constexpr char kFieldEnd = '\x1f';
constexpr char kRecordEnd = '\x1e';

// As it passes a pipe: what is in force, then what is missing and its cure.
std::string to_bytes(const netns::InForce& in_force) {
  std::string bytes = fmt::format("{:d}{:d}{}{}", in_force.no_new_privileges, in_force.filter,
                                  in_force.landlock, kRecordEnd);
  for (const base::Error& missing : in_force.missing) {
    const base::Error without_cure{missing.code, missing.doing, {}};
    bytes += without_cure.message() + kFieldEnd + missing.cure + kRecordEnd;
  }
  return bytes;
}

netns::InForce from_bytes(const std::string& bytes) {
  netns::InForce in_force;
  std::istringstream records(bytes);
  std::string record;
  if (!std::getline(records, record, kRecordEnd) || record.size() < 3) {
    in_force.missing.push_back(base::failure("the process that tried it ended"));
    return in_force;
  }
  in_force.no_new_privileges = record[0] == '1';
  in_force.filter = record[1] == '1';
  std::from_chars(record.data() + 2, record.data() + record.size(), in_force.landlock);
  while (std::getline(records, record, kRecordEnd)) {
    const std::size_t end = record.find(kFieldEnd);
    in_force.missing.push_back({{}, record.substr(0, end), record.substr(end + 1)});
  }
  return in_force;
}

// In a child, because it is for ever.
std::string try_confinement() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return {};
  }
  const auto out = base::Fd::adopt(ends[0]);
  auto in = base::Fd::adopt(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    const Settings settings = default_settings();
    const std::string bytes = to_bytes(
        netns::confine({.role = netns::Role::kGateway, .files = files_of_gateway(settings, {})}));
    ::_exit(::write(in.get(), bytes.data(), bytes.size()) == std::ssize(bytes) ? 0 : 1);
  }
  in.reset();
  std::string bytes;
  std::array<char, 4096> buffer{};
  for (ssize_t size = 0; (size = ::read(out.get(), buffer.data(), buffer.size())) > 0;) {
    bytes.append(buffer.data(), static_cast<std::size_t>(size));
  }
  while (child > 0 && ::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return bytes;
}

// Who listens there; 0: nobody.
pid_t listener_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return 0;
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const auto socket = base::Fd::adopt(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ucred peer{};
  socklen_t size = sizeof(peer);
  const bool known =
      socket.is_open() &&
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
      ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
  return known ? peer.pid : 0;
}

std::optional<ProcessStatus> status_of(const std::filesystem::path& process) {
  std::ifstream file(process / "status");
  return read_process_status(file);
}

pid_t parent_of(const std::filesystem::path& process) {
  std::ifstream file(process / "status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("PPid:")) {
      return std::atoi(line.c_str() + std::strlen("PPid:"));
    }
  }
  return 0;
}

std::string list_of(netns::Role role) {
  std::string text = fmt::format("{}:\n", netns::name(role));
  for (const netns::Permission& permission : netns::kPermissions) {
    if (netns::has(permission.roles, role)) {
      const std::string_view only = netns::describe(permission.only);
      text += fmt::format("  {:24} {}{}\n", permission.call, permission.why,
                          only.empty() ? "" : fmt::format(" ({})", only));
    }
  }
  return text;
}

std::string name_of_call(int number) {
  char* const name = ::seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
  const std::string text = name != nullptr ? name : "";
  std::free(name);  // NOLINT: as its manual says
  return text.empty() ? "number " + std::to_string(number) : text;
}

// Of this program, however often each. Nothing where the log cannot be read.
std::optional<std::map<ForbiddenCall, int>> forbidden_calls() {
  const auto log = base::Fd::adopt(::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!log.is_open()) {
    return std::nullopt;
  }
  std::error_code failed;
  const std::string us = std::filesystem::read_symlink("/proc/self/exe", failed).string();
  std::map<ForbiddenCall, int> found;
  std::array<char, 8192> record{};
  for (;;) {
    const ssize_t size = ::read(log.get(), record.data(), record.size());
    if (size < 0 && errno == EPIPE) {
      continue;  // it has written over what we were about to read
    }
    if (size <= 0) {
      return found;
    }
    const auto call = parse_audit_line({record.data(), static_cast<std::size_t>(size)});
    if (call && call->program == us) {
      ++found[*call];
    }
  }
}

// The value of `key=value` or `key="value"`; empty where there is none.
std::string_view value_of(std::string_view line, std::string_view key) {
  const std::string wanted = fmt::format(" {}=", key);
  const std::size_t at = line.find(wanted);
  if (at == std::string_view::npos) {
    return {};
  }
  std::string_view value = line.substr(at + wanted.size());
  if (value.starts_with('"')) {
    value.remove_prefix(1);
    return value.substr(0, value.find('"'));
  }
  return value.substr(0, value.find_first_of(" \n"));
}

}  // namespace

Finding judge_confinement(const netns::InForce& in_force) {
  Finding finding{
      Mark::kOk, "confinement", "a gateway confines itself: " + in_force.to_string(), {}};
  for (const base::Error& missing : in_force.missing) {
    finding.mark = Mark::kWarn;
    finding.what += "; not in force: " + missing.doing;
    if (!missing.cure.empty()) {
      finding.cure += (finding.cure.empty() ? "" : "\n") + missing.cure + ".";
    }
  }
  return finding;
}

Finding examine_confinement() {
  return judge_confinement(from_bytes(try_confinement()));
}

std::optional<ProcessStatus> read_process_status(std::istream& status) {
  ProcessStatus read;
  std::size_t known = 0;
  for (std::string key, value; status >> key && std::getline(status >> std::ws, value);) {
    if (key == "Name:") {
      read.name = value;
    } else if (key == "Pid:") {
      read.pid = std::atoi(value.c_str());
    } else if (key == "CapEff:") {
      read.has_capabilities = value.find_first_not_of('0') != std::string::npos;
    } else if (key == "NoNewPrivs:") {
      read.no_new_privileges = value == "1";
    } else if (key == "Seccomp:") {
      read.filtered = value == "2";
    } else {
      continue;
    }
    ++known;
  }
  return known == 5 ? std::optional(read) : std::nullopt;
}

Finding judge_running_gateway(const std::vector<ProcessStatus>& processes) {
  Finding finding{Mark::kOk, "running-gateway", {}, {}};
  for (const ProcessStatus& process : processes) {
    const bool whole = process.no_new_privileges && process.filtered && !process.has_capabilities;
    finding.what +=
        fmt::format("{}{} {}: {}", finding.what.empty() ? "" : "; ", base::printable(process.name),
                    process.pid, whole ? "confined" : "not confined (");
    if (whole) {
      continue;
    }
    finding.mark = Mark::kWarn;
    finding.what += fmt::format(
        "no_new_privs {}, filter {}, capabilities {})", process.no_new_privileges ? "yes" : "no",
        process.filtered ? "yes" : "no", process.has_capabilities ? "yes" : "no");
    finding.cure = "Its log says why; `confine: auto` in its configuration.";
  }
  return finding;
}

std::optional<Finding> examine_running_gateway(const std::string& control_path) {
  const pid_t gateway = listener_of(control_path);
  if (gateway == 0) {
    return std::nullopt;
  }
  std::vector<ProcessStatus> processes;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", failed)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) {
      continue;
    }
    if (name != std::to_string(gateway) && parent_of(entry.path()) != gateway) {
      continue;
    }
    const auto status = status_of(entry.path());
    // The command of `liftgate run` is a child, too, and is not confined by us.
    if (status && status->name.starts_with("liftgate")) {
      processes.push_back(*status);
    }
  }
  return judge_running_gateway(processes);
}

std::optional<ForbiddenCall> parse_audit_line(std::string_view line) {
  if (line.find("type=1326") == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view number = value_of(line, "syscall");
  ForbiddenCall call{.process = std::string(value_of(line, "comm")),
                     .program = std::string(value_of(line, "exe")),
                     .killed = value_of(line, "sig") == "31"};
  const auto read = std::from_chars(number.data(), number.data() + number.size(), call.call);
  if (read.ec != std::errc{} || call.process.empty()) {
    return std::nullopt;
  }
  return call;
}

int audit_syscalls(std::ostream& out) {
  for (const netns::Role role : netns::kAllRoles) {
    out << list_of(role) << "\n";
  }
  const auto found = forbidden_calls();
  if (!found) {
    out << "The kernel's log cannot be read by this user. What was on no list, root finds with:\n"
           "  dmesg | grep type=1326\n";
    return 1;
  }
  if (found->empty()) {
    out << "The kernel's log has no other call of this program.\n";
    return 0;
  }
  out << "Calls on no list, of the kernel's log:\n";
  for (const auto& [call, times] : *found) {
    out << fmt::format("  {:24} {} by {}, {} times\n", name_of_call(call.call),
                       call.killed ? "ended" : "made", base::printable(call.process), times);
  }
  return 1;
}

}  // namespace gateway
