#include "netns/seccomp.h"

#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>

namespace netns {
namespace {

using base::SysResult;
using base::Unexpected;

#ifndef PR_SET_VMA
constexpr scmp_datum_t kNameMemory = 0x53564d41;  // PR_SET_VMA: newer than Debian 12's header
#else
constexpr scmp_datum_t kNameMemory = PR_SET_VMA;
#endif

constexpr scmp_datum_t kNewNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                        CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
constexpr scmp_datum_t kSandbox = CLONE_NEWUSER | CLONE_NEWNET | CLONE_PIDFD | SIGCHLD;
constexpr scmp_datum_t kWord = 0xffff'ffff;  // the kernel looks at 32 bits of such an argument

struct Free {
  void operator()(void* context) const { ::seccomp_release(context); }
};
using Filter = std::unique_ptr<std::remove_pointer_t<scmp_filter_ctx>, Free>;

base::Error failed(int negative_errno, Role role) {
  return {{-negative_errno, std::generic_category()},
          "installing the system call filter of the " + std::string(name(role)),
          "The kernel lacks CONFIG_SECCOMP_FILTER, or a container's profile forbids seccomp"};
}

// Allows `call` where the argument, as far as `mask` reaches, is one of `values`.
int allow_where(const Filter& filter, int call, unsigned argument, scmp_datum_t mask,
                std::initializer_list<scmp_datum_t> values) {
  for (const scmp_datum_t value : values) {
    const scmp_arg_cmp where{argument, SCMP_CMP_MASKED_EQ, mask, value & mask};
    if (const int error = ::seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, call, 1, &where);
        error != 0) {
      return error;
    }
  }
  return 0;
}

// socket() for streams and datagrams of the Internet: no raw ones, whatever capability there is.
int allow_internet(const Filter& filter, int call) {
  constexpr scmp_datum_t kTypeMask = 0xf;  // SOCK_TYPE_MASK: beside it, SOCK_CLOEXEC and such
  for (const scmp_datum_t family : {scmp_datum_t{AF_INET}, scmp_datum_t{AF_INET6}}) {
    for (const scmp_datum_t type : {scmp_datum_t{SOCK_STREAM}, scmp_datum_t{SOCK_DGRAM}}) {
      const scmp_arg_cmp where[] = {{0, SCMP_CMP_MASKED_EQ, kWord, family},
                                    {1, SCMP_CMP_MASKED_EQ, kTypeMask, type}};
      if (const int error = ::seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, call, 2, where);
          error != 0) {
        return error;
      }
    }
  }
  return 0;
}

int add(const Filter& filter, int call, Only only) {
  switch (only) {
    case Only::kAny:
      return ::seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, call, 0, nullptr);
    case Only::kRefused:
      return ::seccomp_rule_add_array(filter.get(), SCMP_ACT_ERRNO(ENOSYS), call, 0, nullptr);
    case Only::kThreadOrSandbox: {
      const int error = allow_where(filter, call, 0, kNewNamespaces | CLONE_THREAD, {CLONE_THREAD});
      return error != 0 ? error : allow_where(filter, call, 0, ~scmp_datum_t{0}, {kSandbox});
    }
    case Only::kInternet:
      return allow_where(filter, call, 0, kWord, {AF_INET, AF_INET6});
    case Only::kOurFamilies:
      return allow_where(filter, call, 0, kWord, {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK});
    case Only::kNotRaw: {
      const int error = allow_internet(filter, call);
      return error != 0 ? error : allow_where(filter, call, 0, kWord, {AF_UNIX, AF_NETLINK});
    }
    case Only::kOurselves:
      return allow_where(filter, call, 0, kWord, {static_cast<scmp_datum_t>(::getpid())});
    case Only::kOurControls:
      return allow_where(filter, call, 1, kWord,
                         {SIOCINQ, SIOCOUTQ, SIOCOUTQNSD, FIONBIO, SIOCGIFINDEX, TUNSETIFF,
                          TUNSETOFFLOAD, TCGETS, TIOCGWINSZ});
    case Only::kGivingUp:
      return allow_where(filter, call, 0, kWord,
                         {PR_SET_NAME, kNameMemory, PR_CAPBSET_READ, PR_CAPBSET_DROP,
                          PR_CAP_AMBIENT, PR_SET_NO_NEW_PRIVS, PR_SET_DUMPABLE});
    case Only::kNotExecutable:
      return allow_where(filter, call, 2, PROT_EXEC, {0});
  }
  return -EINVAL;
}

// A list that says the same twice for one role is a mistake of ours, and libseccomp says EEXIST.
int add_permissions(const Filter& filter, Role role) {
  for (const Permission& permission : kPermissions) {
    const int call = ::seccomp_syscall_resolve_name(std::string(permission.call).c_str());
    if (!has(permission.roles, role) || call < 0) {  // not of this machine
      continue;
    }
    if (const int error = add(filter, call, permission.only); error != 0) {
      return error;
    }
  }
#ifdef LIFTGATE_SANITIZED
  // ASan, as a thread ends. The others have it anyway.
  return role == Role::kHelper ? add(filter, SCMP_SYS(sigaltstack), Only::kAny) : 0;
#else
  return 0;
#endif
}

int set_attributes(const Filter& filter, Enforcement enforcement, Threads threads) {
  const std::uint32_t otherwise =
      enforcement == Enforcement::kKill ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_LOG;
  if (const int error = ::seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, otherwise);
      error != 0) {
    return error;
  }
  if (const int error = ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_NNP, 0); error != 0) {
    return error;
  }
  // Only our own code runs behind these filters: the CPU's guesses stay as they were.
  (void)::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_SSB, 1);
  (void)::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);  // a binary tree
  (void)::seccomp_attr_set(filter.get(), SCMP_FLTATR_API_SYSRAWRC, 1);
  return threads == Threads::kAll ? ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1) : 0;
}

}  // namespace

SysResult<void> allow_only(Role role, Enforcement enforcement, Threads threads) {
  const Filter filter(
      ::seccomp_init(enforcement == Enforcement::kKill ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_LOG));
  if (filter == nullptr) {
    return Unexpected{failed(-ENOMEM, role)};
  }
  if (const int error = set_attributes(filter, enforcement, threads); error != 0) {
    return Unexpected{failed(error, role)};
  }
  if (const int error = add_permissions(filter, role); error != 0) {
    return Unexpected{failed(error, role)};
  }
  if (const int error = ::seccomp_load(filter.get()); error != 0) {
    return Unexpected{failed(error, role)};
  }
  return {};
}

}  // namespace netns
