// What becomes of a system call that is not on the caller's list (netns/permissions.h).
#pragma once

#include <cstdint>

namespace netns {

enum class Enforcement : std::uint8_t {
  kKill,  // it is not done, and the process ends with SIGSYS
  kLog,   // it is done, and the kernel's log has it
  kOff,   // there is no list
};

}  // namespace netns
