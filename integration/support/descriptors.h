// What a process holds open: what a test compares to see that nothing leaks.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>

namespace integration {

/// As many as can be in a gateway's pool of pipes, which keeps those that its busiest moment took
/// (gateway/relay/pipe_pool.h), and its own few.
inline constexpr std::size_t kMostPipeEnds = 2 * 64 + 8;

struct Descriptors {
  std::size_t pipe_ends = 0;
  std::size_t others = 0;
};

/// Those of `pid` by /proc/PID/fd. One that closes meanwhile counts as another.
inline Descriptors descriptors_of(pid_t pid) {
  Descriptors found;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
    std::error_code closed;
    const bool is_pipe = std::filesystem::read_symlink(entry, closed).string().starts_with("pipe:");
    ++(is_pipe ? found.pipe_ends : found.others);
  }
  return found;
}

}  // namespace integration
