#include "gateway/telemetry/audit_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace gateway {
namespace {

// O_NONBLOCK is for pipes: opening one that nobody reads fails instead of waiting for ever.
base::SysResult<base::Fd> open_for_appending(const std::string& path) {
  auto file = base::Fd::adopt(::open(
      path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600));
  if (!file.is_open()) {
    return base::Unexpected{base::last_error("open " + path)};
  }
  return file;
}

bool ends_in_half_a_line(const std::string& path) {
  const auto file = base::Fd::adopt(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status{};
  if (!file.is_open() || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_size == 0) {
    return false;
  }
  char last = '\n';
  return ::pread(file.get(), &last, 1, status.st_size - 1) == 1 && last != '\n';
}

}  // namespace

base::SysResult<AuditFile> AuditFile::open(const std::string& path) {
  auto file = open_for_appending(path);
  if (!file) {
    return base::Unexpected{file.error()};
  }
  AuditFile made(path, std::move(file).value());
  if (ends_in_half_a_line(path)) {
    made.add("\n");
  }
  return made;
}

AuditFile::Progress AuditFile::flush() {
  while (written_ < pending_.size()) {
    const ssize_t bytes =
        ::write(file_.get(), pending_.data() + written_, pending_.size() - written_);
    if (bytes >= 0) {
      written_ += static_cast<std::size_t>(bytes);
    } else if (errno == EAGAIN) {
      forget_whole_lines();
      return Progress::kNotNow;
    } else if (errno != EINTR) {
      error_ = base::last_error("write " + path_);
      forget_whole_lines();
      return Progress::kFailing;
    }
  }
  pending_.clear();
  written_ = 0;
  return Progress::kDone;
}

// What the file has whole is no longer ours to keep; of the line it has half of, we keep all.
void AuditFile::forget_whole_lines() {
  const std::size_t end = written_ == 0 ? std::string::npos : pending_.rfind('\n', written_ - 1);
  if (end != std::string::npos) {
    pending_.erase(0, end + 1);
    written_ -= end + 1;
  }
}

base::SysResult<void> AuditFile::reopen() {
  auto file = open_for_appending(path_);
  if (!file) {
    return base::Unexpected{file.error()};
  }
  struct stat before{};
  struct stat after{};
  const bool same_file = ::fstat(file_.get(), &before) == 0 && ::fstat(file->get(), &after) == 0 &&
                         before.st_dev == after.st_dev && before.st_ino == after.st_ino;
  file_ = std::move(file).value();
  if (!same_file) {
    written_ = 0;
    if (ends_in_half_a_line(path_)) {
      pending_.insert(0, "\n");
    }
  }
  return {};
}

void AuditFile::wait_writable(int milliseconds) const {
  pollfd wait{.fd = file_.get(), .events = POLLOUT, .revents = 0};
  ::poll(&wait, 1, milliseconds);
}

std::size_t AuditFile::pending_lines() const {
  return static_cast<std::size_t>(std::ranges::count(pending_, '\n'));
}

}  // namespace gateway
