// Sandbox: an unprivileged user and network namespace, and the helper process that keeps it.
//
// Theory of operation. start() clones a child into new namespaces and lets it execute our own
// program again (/proc/self/exe), so that the helper has an address space of its own, whatever the
// caller's threads are doing. The first line of main(), helper_main(), recognises it. The helper
// maps our uid and gid to themselves, makes the TUN device and the listeners, gives up every
// capability and every system call that it no longer needs, sends the descriptors up (SCM_RIGHTS),
// and from then on only makes sockets.
//
//     us ───────── SEQPACKET: one request, one answer ───────── helper   [user + net namespace]
//     us ◀──────── TUN, listeners, sockets made inside ────────
//
// A socket belongs to the namespace that it was *made* in, whoever uses it: no call of ours ever
// enters the sandbox, and neither packets nor connections pass through the helper.
//
// The helper lives as long as its control socket has a peer, not as long as its parent: closing the
// socket ends it, and a process that inherits the socket inherits the sandbox. It is in a session
// of its own and ignores SIGINT, SIGTERM and SIGHUP, so that a Ctrl-C for the gateway does not take
// away the connections that the gateway wants to end in good order. When it dies all the same,
// pidfd() becomes readable; TUN and sockets work on, but no new socket can be made.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "netns/process.h"
#include "netns/sandbox_config.h"

namespace netns {

class Sandbox {
 public:
  /// From any thread of a process whose main() begins with helper_main(). Needs no privilege. After
  /// an error nothing is left behind: no process, no descriptor.
  static base::SysResult<Sandbox> start(const SandboxConfig& config);

  /// Ends the helper, waits for it (at most 2 s, then it is killed), and reaps it.
  ~Sandbox();
  Sandbox(Sandbox&&) noexcept = default;
  Sandbox& operator=(Sandbox&& other) noexcept;

  /// The descriptors are non-blocking and close-on-exec, and may be moved out. The namespace exists
  /// until the last of them is closed, too.
  base::Fd& tun() { return tun_; }
  std::vector<base::Fd>& listeners() { return listeners_; }  // in the order of the configuration

  [[nodiscard]] const std::string& tun_name() const { return tun_name_; }
  /// What TUNSETOFFLOAD granted.
  [[nodiscard]] bool offload() const { return offload_; }
  /// What the kernel refused and the sandbox can live without; worth a line in a log.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

  /// Readable once the helper has died.
  [[nodiscard]] const base::Fd& pidfd() const { return helper_.pidfd; }
  [[nodiscard]] pid_t pid() const { return helper_.pid; }
  [[nodiscard]] bool has_mount_namespace() const { return mount_namespace_; }

  /// `count` sockets that belong to the sandbox; O_NONBLOCK and close-on-exec. One round trip to
  /// the helper for each 253 of them. All or none. One caller at a time.
  base::SysResult<std::vector<base::Fd>> open_sockets(int domain, int type, int protocol,
                                                      std::uint32_t count);

  /// The same in two steps, neither of which waits: asks for 1 to 253 sockets, and takes what has
  /// come. Answers come in the order of the orders, and make control() readable. Not to be mixed
  /// with open_sockets() while an answer is due.
  base::SysResult<void> order_sockets(int domain, int type, int protocol, std::uint32_t count);
  /// The answer to the oldest order; nothing when it has not come yet. The error is EPIPE when the
  /// helper has gone, and no other answer will follow.
  std::optional<base::SysResult<std::vector<base::Fd>>> take_delivery();
  [[nodiscard]] const base::Fd& control() const { return control_; }

 private:
  Sandbox(Process helper, base::Fd control)
      : helper_(std::move(helper)), control_(std::move(control)) {}
  base::SysResult<void> set_up(const SandboxConfig& config);
  base::SysResult<void> open_batch(int domain, int type, int protocol, std::uint32_t count,
                                   std::vector<base::Fd>& into);
  base::Error why_it_went_silent();
  void end() noexcept;

  Process helper_;
  base::Fd control_;
  base::Fd tun_;
  std::vector<base::Fd> listeners_;
  std::string tun_name_;
  bool offload_ = false;
  bool mount_namespace_ = false;
  std::vector<std::string> notes_;
  std::uint32_t last_request_ = 0;
};

/// The first line of every main(): `if (auto status = netns::helper_main(argc, argv)) return
/// *status;`. When this process was started as a sandbox's helper, serves as one and returns its
/// exit status; else returns nothing, having made sure that descriptors 0 to 2 are open.
std::optional<int> helper_main(int argc, char** argv);

}  // namespace netns
