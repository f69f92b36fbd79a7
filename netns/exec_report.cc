#include "netns/exec_report.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace netns {
namespace {

using base::Fd;
using base::Unexpected;

// In the child nothing may be allocated, so that the text travels in an array.
struct Failure {
  int error = 0;
  std::array<char, 120> doing{};
};

constexpr int kFirstOwnFd = 4;         // above the standard ones and the helper's control socket
constexpr int kCouldNotExecute = 127;  // as shells have it

}  // namespace

base::SysResult<Fd> lift_above(Fd fd, int lowest) {
  if (fd.get() >= lowest) {
    return fd;
  }
  auto lifted = Fd::adopt(::fcntl(fd.get(), F_DUPFD_CLOEXEC, lowest));
  if (!lifted.is_open()) {
    return Unexpected{base::last_error("duplicating a descriptor")};
  }
  return lifted;
}

base::SysResult<ExecReport> ExecReport::open() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return Unexpected{base::last_error("pipe2")};
  }
  auto read = Fd::adopt(ends[0]);
  auto write = lift_above(Fd::adopt(ends[1]), kFirstOwnFd);
  if (!write) {
    return Unexpected{write.error()};
  }
  return ExecReport(std::move(read), std::move(*write));
}

void ExecReport::fail(const char* doing, int error) const noexcept {
  Failure failure;
  failure.error = error;
  std::strncpy(failure.doing.data(), doing, failure.doing.size() - 1);
  // Smaller than PIPE_BUF: it is written whole. A parent that has gone needs no report.
  (void)!::write(write_.get(), &failure, sizeof(failure));
  ::_exit(kCouldNotExecute);
}

base::SysResult<void> ExecReport::wait() {
  write_.reset();
  Failure failure;
  ssize_t size = -1;
  do {
    size = ::read(read_.get(), &failure, sizeof(failure));
  } while (size < 0 && errno == EINTR);
  if (size == 0) {
    return {};
  }
  return Unexpected{
      base::Error{{failure.error, std::generic_category()}, std::string(failure.doing.data()), {}}};
}

}  // namespace netns
