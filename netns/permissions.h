// Permissions: every system call that a process of ours may make, for whom, and why. The one list
// that filters are made from (netns/seccomp.h), that `liftgate doctor --audit-syscalls` prints, and
// that SECURITY.md speaks of. A call that is not here for a role ends the process that makes it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace netns {

/// What a process is for. A filter stays for life and reaches what the process starts: the helper
/// that a confined gateway starts anew sets its sandbox up under the gateway's filter, too. So
/// what kSetUp needs, but for mounts, kGateway has as well (test:
/// Permissions.ConfinedGatewayCanStartAHelper).
enum class Role : std::uint8_t {
  kGateway = 1,     // `liftgate serve`, once it serves
  kRun = 2,         // the gateway of `liftgate run`, once the command runs
  kSupervisor = 4,  // the process above it, which waits
  kSetUp = 8,       // a sandbox's helper, until the sandbox is there
  kHelper = 16,     // and from then on
};
inline constexpr Role kAllRoles[] = {Role::kGateway, Role::kRun, Role::kSupervisor, Role::kSetUp,
                                     Role::kHelper};
std::string_view name(Role role);  // "gateway"

/// Several of them, a bit for each.
using Roles = std::uint8_t;
constexpr Roles operator|(Role a, Role b) {
  return static_cast<Roles>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr bool has(Roles roles, Role role) {
  return (roles & static_cast<Roles>(role)) != 0;
}

/// What a filter can see of the arguments: numbers, and not what pointers point to.
enum class Only : std::uint8_t {
  kAny,
  kThreadOrSandbox,  // clone: a thread, or a process in a new user and network namespace
  kInternet,         // socket: IPv4 and IPv6
  kOurFamilies,      // socket: those, unix and netlink
  kNotRaw,           // socket: the same, of the Internet streams and datagrams
  kOurselves,        // tgkill: to this process
  kOurControls,      // ioctl: those that we use; no TIOCSTI
  kGivingUp,         // prctl: names, capabilities, no_new_privs, dumpable
  kNotExecutable,    // mmap, mprotect: no memory that can be executed
  kRefused,          // fails with ENOSYS instead of ending us: libc has another way
};
std::string_view describe(Only only);  // "a thread, or ..."; empty for kAny

struct Permission {
  std::string_view call;
  Roles roles;
  std::string_view why;
  Only only = Only::kAny;
};

namespace permission_roles {

inline constexpr Roles kGateways = Role::kGateway | Role::kRun;
inline constexpr Roles kServeOnly = static_cast<Roles>(Role::kGateway);
inline constexpr Roles kRunOnly = static_cast<Roles>(Role::kRun);
inline constexpr Roles kSetUpOnly = static_cast<Roles>(Role::kSetUp);
inline constexpr Roles kHelperOnly = static_cast<Roles>(Role::kHelper);
inline constexpr Roles kSupervisorOnly = static_cast<Roles>(Role::kSupervisor);
inline constexpr Roles kSettingUp = kGateways | kSetUpOnly;  // in a confined gateway's child, too
inline constexpr Roles kWaiting = kGateways | kSupervisorOnly;
inline constexpr Roles kRunSide = kRunOnly | kSupervisorOnly;
inline constexpr Roles kAllButHelper = kSettingUp | kSupervisorOnly;
inline constexpr Roles kEverybody = kAllButHelper | kHelperOnly;

}  // namespace permission_roles

/// A call may stand here twice, with other roles or other arguments.
inline constexpr auto kPermissions = [] {
  using namespace permission_roles;  // NOLINT(google-build-using-namespace): of this table only
  return std::to_array<Permission>({
      // Memory
      {"brk", kEverybody, "malloc"},
      {"mmap", kAllButHelper, "malloc, thread stacks, the flow table; libraries of a new helper"},
      {"mmap", kHelperOnly, "malloc", Only::kNotExecutable},
      {"mprotect", kAllButHelper, "thread stacks; libraries of a new helper"},
      {"mprotect", kHelperOnly, "malloc", Only::kNotExecutable},
      {"munmap", kEverybody, "malloc"},
      {"mremap", kEverybody, "malloc"},
      {"madvise", kEverybody, "malloc, stacks of threads that have ended"},
      {"memfd_create", kGateways, "the memory of a capture"},
      {"ftruncate", kGateways, "the memory of a capture"},

      // Descriptors
      {"read", kAllButHelper, "TUN, sockets, files"},
      {"write", kEverybody, "TUN, sockets, files; a failed CHECK's last words"},
      {"close", kEverybody, "every descriptor"},
      {"readv", kGateways, "Asio"},
      {"writev", kGateways, "TUN: a coalesced packet"},
      {"pread64", kSettingUp, "the audit log's last byte; the dynamic loader"},
      {"lseek", kAllButHelper, "the C++ library's files"},
      {"fcntl", kAllButHelper, "descriptor flags, seals, copies above a number"},
      {"dup2", kSettingUp, "a new helper's standard descriptors"},
      {"dup3", kSettingUp, "the same where the machine has no dup2"},
      {"close_range", kSettingUp, "a new helper inherits what it needs, no more"},
      {"pipe2", kSettingUp, "pipes for splice; the report of a child's exec"},
      {"splice", kGateways, "relays"},
      {"eventfd2", kGateways, "waking a loop"},
      {"epoll_create1", kGateways, "loops"},
      {"epoll_ctl", kGateways, "loops"},
      {"epoll_wait", kGateways, "loops"},
      {"epoll_pwait", kGateways, "loops where the machine has no epoll_wait"},
      {"timerfd_create", kGateways, "Asio, the turns of bandwidths"},
      {"timerfd_settime", kGateways, "Asio, the turns of bandwidths"},
      {"poll", kAllButHelper, "waiting for one descriptor or some time"},
      {"ppoll", kAllButHelper, "the same where the machine has no poll"},
      {"ioctl", kGateways, "bytes queued in sockets; the TUN of a new sandbox", Only::kOurControls},
      {"ioctl", kSetUpOnly, "the TUN", Only::kOurControls},

      // Sockets
      {"socket", kGateways, "dials, UDP and ping upgrades; a new sandbox's rtnetlink",
       Only::kNotRaw},
      {"socket", kSetUpOnly, "rtnetlink, the listeners", Only::kOurFamilies},
      {"socket", kHelperOnly, "what it is for", Only::kInternet},
      {"socketpair", kGateways, "a new helper's control socket"},
      {"bind", kSettingUp, "UDP upgrades, downgrades; a new sandbox's listeners"},
      {"listen", kSettingUp, "a new sandbox's listeners"},
      {"connect", kGateways, "dials, downgrades"},
      {"accept4", kGateways, "upgraded connections, published ports, tunnels, control clients"},
      {"accept", kGateways, "Asio"},
      {"getsockname", kSettingUp, "which port the kernel chose"},
      {"getpeername", kGateways, "whose binding a connection is"},
      {"setsockopt", kSettingUp, "options of sockets"},
      {"getsockopt", kSettingUp, "SO_ERROR, TCP_INFO, SO_PEERCRED"},
      {"shutdown", kGateways, "half-close"},
      {"sendto", kSettingUp, "UDP, rtnetlink"},
      {"sendmsg", kSettingUp | kHelperOnly, "UDP, tunnels, descriptors to the owner"},
      {"sendmmsg", kGateways, "batches of packets"},
      {"recvfrom", kSettingUp, "UDP, control clients, rtnetlink"},
      {"recvmsg", kSettingUp | kHelperOnly, "UDP, tunnels, requests for sockets"},
      {"recvmmsg", kGateways, "batches of packets"},

      // Files
      {"openat", kAllButHelper, "Landlock says which"},
      {"open", kAllButHelper, "the same; libc uses openat"},
      {"creat", kServeOnly, "the same; jemalloc, for a heap profile"},
      {"stat", kAllButHelper, "libc uses newfstatat"},
      {"fstat", kAllButHelper, "the C++ library's files"},
      {"lstat", kAllButHelper, "is the socket's file still ours"},
      {"newfstatat", kAllButHelper, "the same"},
      {"statx", kAllButHelper, "std::filesystem"},
      {"access", kSettingUp, "the dynamic loader; why /dev/net/tun does not open"},
      {"faccessat", kSettingUp, "the same where the machine has no access"},
      {"faccessat2", kSettingUp, "the same"},
      {"readlink", kAllButHelper, "std::filesystem"},
      {"readlinkat", kAllButHelper, "std::filesystem"},
      {"getdents64", kRunSide, "/proc: what the command has left running"},
      {"getcwd", kSettingUp, "std::filesystem"},
      {"flock", kGateways, "the directory of a socket, while it is removed"},
      {"unlink", kGateways, "our sockets' files, at the end"},
      {"unlinkat", kGateways, "the same where the machine has no unlink"},

      // Threads and signals
      {"futex", kEverybody, "locks"},
      {"clone", kGateways, "threads; a helper in place of one that died", Only::kThreadOrSandbox},
      {"clone3", kSettingUp, "its arguments are behind a pointer: clone serves", Only::kRefused},
      {"set_robust_list", kSettingUp, "libc, for each thread"},
      {"rseq", kSettingUp, "libc, for each thread"},
      {"set_tid_address", kSettingUp, "libc, as a program starts"},
      {"arch_prctl", kSettingUp, "libc, as a program starts"},
      {"exit", kEverybody, "a thread's end"},
      {"exit_group", kEverybody, "the end"},
      {"gettid", kAllButHelper, "raise and abort"},
      {"tgkill", kAllButHelper, "raise and abort; confining every thread", Only::kOurselves},
      {"sched_yield", kEverybody, "locks"},
      {"sched_getaffinity", kGateways, "how many processors there are"},
      {"sched_setaffinity", kGateways, "a shard's own processor"},
      {"getcpu", kGateways, "malloc"},
      {"rt_sigaction", kAllButHelper, "handlers"},
      {"rt_sigprocmask", kAllButHelper, "no signal between fork and exec"},
      {"rt_sigreturn", kEverybody, "a handler's end"},
      {"rt_sigtimedwait", kRunSide, "the supervisor's only wait"},
      {"sigaltstack", kAllButHelper, "libc, as a thread ends"},
      {"restart_syscall", kEverybody, "a wait that was stopped and continued"},
      {"signalfd4", kRunOnly, "signals for the command"},
      {"kill", kRunSide, "signals to the command and what it has left running"},

      // Processes
      {"execve", kGateways, "ourselves, as a helper; Landlock forbids all other programs"},
      {"wait4", kRunSide, "the command, and orphans"},
      {"waitid", kGateways, "a helper's end"},
      {"pidfd_send_signal", kGateways, "to a helper that does not end, or to the command"},
      {"getpid", kAllButHelper, "libc, std::filesystem"},
      {"getppid", kRunSide, "whether the supervisor lives"},
      {"getuid", kAllButHelper, "who may use the control socket"},
      {"geteuid", kAllButHelper, "the same"},
      {"getgid", kAllButHelper, "libc, as a program starts"},
      {"getegid", kAllButHelper, "a sandbox's id maps"},
      {"prlimit64", kAllButHelper, "reading limits; a helper raises its own up to the hard one"},
      {"getrusage", kGateways, "figures"},
      {"setsid", kSettingUp, "the terminal's signals are not for a helper"},
      {"chdir", kSettingUp, "a helper keeps no directory busy"},
      {"prctl", kGateways, "what a new helper gives up", Only::kGivingUp},
      {"prctl", kSetUpOnly, "what a helper gives up", Only::kGivingUp},
      {"capget", kSettingUp, "what a helper gives up"},
      {"capset", kSettingUp, "the same"},
      {"seccomp", kSettingUp, "a helper's own filters"},
      {"landlock_create_ruleset", kSettingUp, "a helper's own rules"},
      {"landlock_restrict_self", kSettingUp, "the same"},

      // Mounts, in the namespace of `liftgate run` only
      {"mount", kSetUpOnly, "resolv.conf as the command is to see it"},
      {"umount2", kSetUpOnly, "the same"},
      {"fchmod", kSetUpOnly, "the same"},
      {"mkdir", kSetUpOnly, "the same"},
      {"unlink", kSetUpOnly, "the same"},

      // Time and chance
      {"clock_gettime", kAllButHelper, "where the vDSO has no clock"},
      {"clock_getres", kAllButHelper, "the same"},
      {"gettimeofday", kAllButHelper, "the same"},
      {"time", kAllButHelper, "the same"},
      {"nanosleep", kGateways, "std::this_thread"},
      {"clock_nanosleep", kGateways, "std::this_thread"},
      {"getrandom", kAllButHelper, "keys of hashes; malloc"},
      {"uname", kSettingUp, "libc"},
      {"sysinfo", kGateways, "libc: how many processors there are"},
  });
}();

}  // namespace netns
