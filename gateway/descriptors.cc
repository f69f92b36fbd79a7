#include "gateway/descriptors.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <utility>

namespace gateway {
namespace {

// Chosen: flowctl needs two at once; several may ask. A small limit is not spent on it.
constexpr rlim_t kMostReserved = 16;
constexpr rlim_t kShareReserved = 8;

std::atomic<int> first_reserved{INT_MAX};

}  // namespace

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return;
  }
  if (limit.rlim_cur < limit.rlim_max) {
    const rlimit raised{.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    limit.rlim_cur = ::setrlimit(RLIMIT_NOFILE, &raised) == 0 ? limit.rlim_max : limit.rlim_cur;
  }
  const rlim_t reserved = std::min(kMostReserved, limit.rlim_cur / kShareReserved);
  const rlim_t first = limit.rlim_cur - reserved;
  first_reserved = static_cast<int>(std::min<rlim_t>(first, INT_MAX));
}

bool is_reserved(const base::Fd& fd) {
  return fd.get() >= first_reserved.load(std::memory_order_relaxed);
}

std::uint32_t descriptors_left(const base::Fd& fd) {
  return static_cast<std::uint32_t>(
      std::max(first_reserved.load(std::memory_order_relaxed) - fd.get() - 1, 0));
}

base::Error with_cure_for_limits(base::Error error) {
  if (error.code == std::errc::too_many_files_open && error.cure.empty()) {
    error.cure = "Raise the limit of open files first: `ulimit -n 1024`, or more.";
  }
  if (error.code == std::errc::not_enough_memory && error.cure.empty()) {
    error.cure = kMemoryCure;
  }
  return error;
}

}  // namespace gateway
