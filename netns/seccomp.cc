#include "netns/seccomp.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <vector>

namespace netns {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "name this machine's AUDIT_ARCH here"
#endif

constexpr std::uint32_t kAllowed[] = {
    SYS_recvmsg,      SYS_sendmsg,
    SYS_socket,       SYS_close,  // the service
    SYS_brk,          SYS_mmap,
    SYS_munmap,       SYS_mremap,
    SYS_mprotect,  // malloc
    SYS_madvise,      SYS_futex,
    SYS_sched_yield,  //
    SYS_write,        // a failed CHECK
    SYS_rt_sigreturn, SYS_restart_syscall,
    SYS_exit,         SYS_exit_group,
#ifdef LIFTGATE_SANITIZED
    SYS_sigaltstack,  // ASan, as a thread ends
#endif
};

constexpr std::uint16_t code(unsigned bits) {
  return static_cast<std::uint16_t>(bits);
}

sock_filter load(std::size_t offset) {
  return {code(BPF_LD | BPF_W | BPF_ABS), 0, 0, static_cast<std::uint32_t>(offset)};
}

// Goes on with the next instruction if the loaded word is `value`, else skips it.
sock_filter unless_equal_skip(std::uint32_t value) {
  return {code(BPF_JMP | BPF_JEQ | BPF_K), 0, 1, value};
}

sock_filter answer(std::uint32_t action) {
  return {code(BPF_RET | BPF_K), 0, 0, action};
}

// A call of another architecture has other numbers, and none of ours is one.
std::vector<sock_filter> make_program() {
  std::vector<sock_filter> program;
  program.push_back(load(offsetof(seccomp_data, arch)));
  program.push_back({code(BPF_JMP | BPF_JEQ | BPF_K), 1, 0, kArchitecture});
  program.push_back(answer(SECCOMP_RET_KILL_PROCESS));
  program.push_back(load(offsetof(seccomp_data, nr)));
  for (const std::uint32_t number : kAllowed) {
    program.push_back(unless_equal_skip(number));
    program.push_back(answer(SECCOMP_RET_ALLOW));
  }
  program.push_back(answer(SECCOMP_RET_ERRNO | EPERM));
  return program;
}

}  // namespace

base::SysResult<void> allow_only_making_sockets() {
  std::vector<sock_filter> program = make_program();
  const sock_fprog filter{static_cast<std::uint16_t>(program.size()), program.data()};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) != 0) {
    return base::Unexpected{base::last_error("installing the helper's system call filter")};
  }
  return {};
}

}  // namespace netns
