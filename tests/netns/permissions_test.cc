// A call that is not on a role's list ends the process that makes it.

#include "netns/permissions.h"

#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "netns/process.h"
#include "netns/seccomp.h"

namespace netns {
namespace {

constexpr int kDone = 0;
constexpr int kNoFilter = 99;
constexpr int kEndedBySigsys = 128 + SIGSYS;

using Call = std::function<long()>;

// What becomes of a process that takes the filter of `role` and then makes the call.
int fate_of(Role role, const Call& call, Enforcement enforcement = Enforcement::kKill) {
  int pidfd = -1;
  const pid_t pid = clone_process(0, &pidfd);
  if (pid == 0) {
    const rlimit none{};
    ::setrlimit(RLIMIT_CORE, &none);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!allow_only(role, enforcement, Threads::kThisOne)) {
      ::_exit(kNoFilter);
    }
    call();
    ::_exit(kDone);
  }
  return *wait_for_exit(base::Fd::adopt(pidfd));
}

struct Deed {
  const char* name;
  Call call;
};

// What somebody would try who runs code in one of our processes.
const std::map<std::string, Call> kDeeds = {
    {"ptrace", [] { return ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }},
    {"mount", [] { return ::syscall(SYS_mount, "a", "/nope", "tmpfs", 0, nullptr); }},
    {"unshare", [] { return ::unshare(CLONE_NEWNS); }},
    {"setns", [] { return ::setns(-1, 0); }},
    {"bpf", [] { return ::syscall(SYS_bpf, 0, nullptr, 0); }},
    {"io_uring_setup", [] { return ::syscall(SYS_io_uring_setup, 1, nullptr); }},
    {"process_vm_readv",
     [] { return ::syscall(SYS_process_vm_readv, 1, nullptr, 0, nullptr, 0, 0); }},
    {"pidfd_getfd", [] { return ::syscall(SYS_pidfd_getfd, -1, 0, 0); }},
    {"keyctl", [] { return ::syscall(SYS_keyctl, 0, 0, 0, 0, 0); }},
    {"perf_event_open", [] { return ::syscall(SYS_perf_event_open, nullptr, 0, 0, -1, 0); }},
    {"userfaultfd", [] { return ::syscall(SYS_userfaultfd, 0); }},
    {"execveat", [] { return ::syscall(SYS_execveat, -1, "", nullptr, nullptr, 0); }},
    {"setuid", [] { return static_cast<long>(::syscall(SYS_setuid, ::getuid())); }},
    {"chmod", [] { return ::syscall(SYS_fchmodat, AT_FDCWD, "/nope", 0); }},
    {"rename", [] { return ::syscall(SYS_renameat2, -1, "a", -1, "b", 0); }},
    {"symlink", [] { return ::syscall(SYS_symlinkat, "a", -1, "b"); }},
    {"kill", [] { return ::syscall(SYS_kill, ::getppid(), 0); }},
    {"signal another process", [] { return ::syscall(SYS_tgkill, 1, 1, 0); }},
    {"packet socket", [] { return ::socket(AF_PACKET, SOCK_RAW, 0); }},
    {"raw socket", [] { return ::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP); }},
    {"raw IPv6 socket", [] { return ::socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6); }},
    {"vsock", [] { return ::socket(AF_VSOCK, SOCK_STREAM, 0); }},
    {"type into the terminal", [] { return ::ioctl(0, TIOCSTI, "x"); }},
    {"clone a mount namespace", [] { return ::syscall(SYS_clone, CLONE_NEWNS, nullptr); }},
    {"fork", [] { return ::syscall(SYS_clone, SIGCHLD, nullptr); }},
    {"execve", [] { return ::syscall(SYS_execve, "/nope", nullptr, nullptr); }},
    {"open", [] { return ::open("/nope", O_RDONLY); }},
    {"read", [] { return ::read(-1, nullptr, 0); }},
    {"connect", [] { return ::connect(-1, nullptr, 0); }},
    {"bind", [] { return ::bind(-1, nullptr, 0); }},
    {"IPv4 socket", [] { return ::socket(AF_INET, SOCK_STREAM, 0); }},
    {"unix socket", [] { return ::socket(AF_UNIX, SOCK_STREAM, 0); }},
    {"executable memory",
     [] {
       return reinterpret_cast<long>(
           ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
     }},
    {"prctl PR_SET_MM", [] { return ::prctl(PR_SET_MM, 0, 0, 0, 0); }},
};

// Those that each role must be able to do, of the same list.
const std::map<Role, std::set<std::string>> kMay = {
    {Role::kGateway,
     {"open", "read", "connect", "bind", "IPv4 socket", "unix socket", "execve",
      "executable memory"}},
    {Role::kRun,
     {"open", "read", "connect", "bind", "IPv4 socket", "unix socket", "execve",
      "executable memory", "kill"}},
    {Role::kSupervisor, {"open", "read", "kill", "executable memory"}},
    {Role::kSetUp,
     {"mount", "open", "read", "bind", "IPv4 socket", "raw socket", "raw IPv6 socket",
      "unix socket", "executable memory"}},
    // A raw one fails for want of a capability, which is told to whoever has asked the helper for
    // it.
    {Role::kHelper, {"IPv4 socket", "raw socket", "raw IPv6 socket"}},
};

class EachRole : public testing::TestWithParam<Role> {};

TEST_P(EachRole, DiesOfACallThatItDoesNotNeed) {
  for (const auto& [deed, call] : kDeeds) {
    const bool may = kMay.at(GetParam()).contains(deed);
    EXPECT_EQ(fate_of(GetParam(), call), may ? kDone : kEndedBySigsys) << deed;
  }
}

TEST_P(EachRole, LivesOnWhenCallsAreOnlyLogged) {
  for (const std::string deed : {"ptrace", "execve", "unix socket"}) {
    EXPECT_EQ(fate_of(GetParam(), kDeeds.at(deed), Enforcement::kLog), kDone) << deed;
  }
}

INSTANTIATE_TEST_SUITE_P(Permissions, EachRole, testing::ValuesIn(kAllRoles),
                         [](const auto& tested) {
                           const std::string role(name(tested.param));
                           return role == "set-up" ? "setup" : role;
                         });

TEST(Permissions, GatewaysStillStartThreads) {
  for (const Role role : {Role::kGateway, Role::kRun}) {
    EXPECT_EQ(fate_of(role,
                      [] {
                        int seen = 0;
                        std::thread([&] { seen = 1; }).join();
                        return seen == 1 ? 0L : ::kill(::getpid(), SIGSYS);
                      }),
              kDone)
        << name(role);
  }
}

TEST(Permissions, EveryCallIsOneOfTheKernelsAndHasAReason) {
  for (const Permission& permission : kPermissions) {
    EXPECT_NE(::seccomp_syscall_resolve_name(std::string(permission.call).c_str()), __NR_SCMP_ERROR)
        << permission.call;
    EXPECT_FALSE(permission.why.empty()) << permission.call;
    EXPECT_NE(permission.roles, 0) << permission.call;
  }
}

// The second line would widen the first without anybody seeing it.
TEST(Permissions, NoRoleHasACallTwice) {
  for (const Role role : kAllRoles) {
    std::set<std::string_view> calls;
    for (const Permission& permission : kPermissions) {
      if (has(permission.roles, role)) {
        EXPECT_TRUE(calls.insert(permission.call).second) << name(role) << " " << permission.call;
      }
    }
  }
}

TEST(Permissions, TheHelpersAreFew) {
  std::size_t calls = 0;
  for (const Permission& permission : kPermissions) {
    calls += has(permission.roles, Role::kHelper) ? 1U : 0U;
  }
  EXPECT_LE(calls, 20U);
}

// The row of a role: | `helper` | 17 | brk, close, ... |
std::set<std::string> calls_in_security_md(Role role) {
  std::ifstream file(LIFTGATE_SOURCE_ROOT "/SECURITY.md");
  const std::string start = "| `" + std::string(name(role)) + "` | ";
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(start)) {
      continue;
    }
    std::set<std::string> calls;
    std::istringstream words(line.substr(line.find('|', start.size()) + 1));
    for (std::string word; words >> word && word != "|";) {
      calls.insert(word.substr(0, word.find(',')));
    }
    return calls;
  }
  return {};
}

TEST(Permissions, SecurityMdSaysTheSame) {
  for (const Role role : kAllRoles) {
    std::set<std::string> calls;
    for (const Permission& permission : kPermissions) {
      if (has(permission.roles, role)) {
        calls.emplace(permission.call);
      }
    }
    EXPECT_EQ(calls_in_security_md(role), calls) << name(role);
  }
}

}  // namespace
}  // namespace netns
