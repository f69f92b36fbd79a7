// spawn: runs a program inside an existing sandbox, as a child of the caller.
//
// The child joins the helper's namespaces by its pidfd and gives up every capability before it
// executes the program, with no_new_privs set: no setuid bit, file capability or uid 0 brings one
// back. CAP_NET_RAW alone stays in the *bounding* set, which grants nothing by itself: the kernel
// refuses with EPERM to execute a file whose capabilities lie outside of it, and on most
// distributions ping is such a file (tests: Spawn.PingsItselfWithoutAnyCapability).
#pragma once

#include <signal.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "netns/process.h"
#include "netns/sandbox.h"

namespace netns {

struct Command {
  std::vector<std::string> argv{};         // argv[0] without a slash is searched in PATH
  std::vector<std::string> environment{};  // "NAME=value"; empty: as ours
  int stdin_fd = 0;                        // borrowed; every other descriptor is closed
  int stdout_fd = 1;
  int stderr_fd = 2;
  std::string working_directory{};  // empty: as ours
  sigset_t ignored_signals{};       // the others have their default dispositions
  // SIGKILL when the *thread* that called spawn() ends, as PR_SET_PDEATHSIG has it.
  bool die_with_parent = true;
  // It, and what it starts, can signal and trace nothing else; where the kernel cannot do that
  // (SignalScope), what it always could.
  bool keep_signals_inside = false;
};

/// Returns once the program is executing, or with the reason why it could not: ENOENT for an
/// unknown one. It stays in our session and process group. From any thread of any process.
base::SysResult<Process> spawn(const Sandbox& sandbox, const Command& command);

/// Whether an error of spawn() is that of executing the program, and not of what we needed to get
/// there.
bool is_of_exec(const base::Error& error);

}  // namespace netns
