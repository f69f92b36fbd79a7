#include "netns/capabilities.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace netns {
namespace {

// The kernel's interface has 32 bits to a word, and no libc has a wrapper.
struct Sets {
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> words{};
};

int get_sets(Sets& sets) noexcept {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  return ::syscall(SYS_capget, &header, sets.words.data()) == 0 ? 0 : errno;
}

int set_sets(const Sets& sets) noexcept {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  return ::syscall(SYS_capset, &header, sets.words.data()) == 0 ? 0 : errno;
}

// The kernel may know more capabilities than our header: it says where they end.
bool kernel_knows(unsigned long capability) noexcept {
  return ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0;
}

int drop_bounding(CapabilitySet keep) noexcept {
  for (unsigned long capability = 0; kernel_knows(capability); ++capability) {
    const bool kept = ((keep >> capability) & 1U) != 0;
    if (!kept && ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
      return errno;
    }
  }
  return 0;
}

}  // namespace

base::SysResult<CapabilitySet> effective_capabilities() {
  Sets sets;
  if (const int error = get_sets(sets); error != 0) {
    return base::Unexpected{base::Error{{error, std::generic_category()}, "capget", {}}};
  }
  return CapabilitySet{sets.words[1].effective} << 32U | sets.words[0].effective;
}

int keep_capabilities_over_exec() noexcept {
  Sets sets;
  if (const int error = get_sets(sets); error != 0) {
    return error;
  }
  for (auto& word : sets.words) {
    word.inheritable = word.permitted;
  }
  if (const int error = set_sets(sets); error != 0) {
    return error;
  }
  for (unsigned long capability = 0; kernel_knows(capability); ++capability) {
    const auto& word = sets.words[capability / 32];
    const bool permitted = ((word.permitted >> (capability % 32)) & 1U) != 0;
    if (permitted && ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0) {
      return errno;
    }
  }
  return 0;
}

int keep_only_capabilities(CapabilitySet keep) noexcept {
  Sets sets;
  if (const int error = get_sets(sets); error != 0) {
    return error;
  }
  const std::uint32_t set_bounding = sets.words[0].effective & (1U << CAP_SETPCAP);
  if (const int error = set_bounding != 0 ? drop_bounding(keep) : 0; error != 0) {
    return error;
  }
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
    return errno;
  }
  for (auto& word : sets.words) {
    word.permitted &= static_cast<std::uint32_t>(keep);
    keep >>= 32U;
    word.effective = word.permitted;
    word.inheritable = 0;
  }
  if (const int error = set_sets(sets); error != 0) {
    return error;
  }
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno;
}

int drop_all_capabilities(CapabilitySet keep_bounding) noexcept {
  // The bounding set goes first: dropping from it needs CAP_SETPCAP.
  if (const int error = drop_bounding(keep_bounding); error != 0) {
    return error;
  }
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
    return errno;
  }
  if (const int error = set_sets({}); error != 0) {
    return error;
  }
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno;
}

}  // namespace netns
