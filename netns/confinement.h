// Confinement: what a process of ours gives up once it has what it needs.
//
// Theory of operation. A gateway reads what strangers send. Should one of them ever make it run
// code of theirs, that code finds a process that
//
//   - has no capability, and gains none by executing anything (no_new_privs),
//   - opens no file but those of its role (Landlock, for each thread),
//   - makes no system call but those of its role (seccomp; netns/permissions.h says which and why),
//   - leaves no core dump with other people's packets.
//
// All threads are confined, wherever they are (netns/every_thread.h), and whatever is started from
// then on inherits it, a new helper's whole life included. So whatever must not be confined, the
// command of `liftgate run` above all, is started before.
//
// A kernel that lacks one of these takes the others: what is missing is returned, with the reason,
// and never silently. Sanitized builds get no filter, but for the helper: sanitizers make calls of
// their own, on no list of ours, when they find something.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "netns/capabilities.h"
#include "netns/enforcement.h"
#include "netns/landlock.h"
#include "netns/permissions.h"

namespace netns {

struct Confinement {
  Role role{};
  Enforcement enforcement = Enforcement::kKill;
  std::vector<FileRule> files{};
  CapabilitySet capabilities = 0;  // kept, where there are any
};

/// What is in force, and what is not.
struct InForce {
  bool no_new_privileges = false;  // and no capabilities but those to be kept
  int landlock = 0;                // its version; 0: not in force
  bool filter = false;
  std::vector<base::Error> missing{};

  /// "no new privileges, Landlock 7, system call filter"
  [[nodiscard]] std::string to_string() const;
};

/// For ever, and for every thread. With Enforcement::kOff nothing happens.
InForce confine(const Confinement& confinement);

}  // namespace netns
