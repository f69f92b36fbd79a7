// What the doctor finds about confinement: what a gateway would have in force on this machine, what
// one that runs has, and which calls the kernel's log says were on no list.
#pragma once

#include <sys/types.h>

#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/doctor.h"
#include "netns/confinement.h"

namespace gateway {

/// Tries it, in a child.
Finding examine_confinement();
Finding judge_confinement(const netns::InForce& in_force);

/// Of a gateway that answers at `control_path`, and of its helpers; nothing where there is none.
std::optional<Finding> examine_running_gateway(const std::string& control_path);

/// /proc/PID/status, as far as it says what a process may do.
struct ProcessStatus {
  pid_t pid = 0;
  std::string name;
  bool no_new_privileges = false;
  bool filtered = false;
  bool has_capabilities = true;
};
std::optional<ProcessStatus> read_process_status(std::istream& status);
Finding judge_running_gateway(const std::vector<ProcessStatus>& processes);

/// A line of the kernel's log that says which call was on no list.
struct ForbiddenCall {
  std::string process;  // its name: "liftgate"
  std::string program;  // its path
  int call = -1;
  bool killed = false;

  friend auto operator<=>(const ForbiddenCall&, const ForbiddenCall&) = default;
};
std::optional<ForbiddenCall> parse_audit_line(std::string_view line);

/// `liftgate doctor --audit-syscalls`: the calls of each role with their reasons, and those that
/// the kernel's log has besides. 0 when it could be read and has none, else 1.
int audit_syscalls(std::ostream& out);

}  // namespace gateway
