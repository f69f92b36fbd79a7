// ExecReport: how a cloned child tells why it could not become the program that it was to be.
//
// A close-on-exec pipe: a successful exec closes it, and the parent reads the end of file; before
// that, the child writes the step that failed and its errno.
#pragma once

#include <optional>

#include "base/error.h"
#include "base/fd.h"

namespace netns {

class ExecReport {
 public:
  static base::SysResult<ExecReport> open();

  /// In the child, async-signal-safe: reports, and ends the process.
  [[noreturn]] void fail(const char* doing, int error) const noexcept;
  /// In the child: its end of the pipe, which must stay open until exec.
  [[nodiscard]] int child_fd() const { return write_.get(); }

  /// In the parent: waits until the child has executed its program or failed to.
  base::SysResult<void> wait();

 private:
  ExecReport(base::Fd read, base::Fd write) : read_(std::move(read)), write_(std::move(write)) {}

  base::Fd read_;
  base::Fd write_;
};

/// Moves a descriptor out of 0 to `lowest` - 1, where dup2 in a child would overwrite it.
base::SysResult<base::Fd> lift_above(base::Fd fd, int lowest);

}  // namespace netns
