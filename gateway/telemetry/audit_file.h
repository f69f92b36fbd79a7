// AuditFile: whole lines appended to a file that may be full, slow, or moved away.
//
// A line that the file took half of is finished before the next one begins. When the path is opened
// again meanwhile, the line is written whole to the new file, so that no file that is still written
// to has half a line in its middle. A file that ends in half a line (a crash) gets a line end
// first.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"

namespace gateway {

/// Belongs to one thread.
class AuditFile {
 public:
  /// Opens `path` for appending; 0600 when that makes the file.
  static base::SysResult<AuditFile> open(const std::string& path);

  /// Adds whole lines, each with its end, to what is to be written.
  void add(std::string_view lines) { pending_ += lines; }

  enum class Progress {
    kDone,     // nothing is pending
    kNotNow,   // a pipe whose reader is slow; wait with wait_writable()
    kFailing,  // error() says why
  };
  /// Writes what it can.
  Progress flush();
  [[nodiscard]] const base::Error& error() const { return error_; }

  /// Opens the path again, which may lead to another file by now. On failure the old file stays.
  base::SysResult<void> reopen();

  /// Until a write may go on, or `milliseconds` have passed.
  void wait_writable(int milliseconds) const;

  [[nodiscard]] std::size_t pending_bytes() const { return pending_.size() - written_; }
  [[nodiscard]] std::size_t pending_lines() const;

 private:
  AuditFile(std::string path, base::Fd file) : path_(std::move(path)), file_(std::move(file)) {}
  void forget_whole_lines();

  std::string path_;
  base::Fd file_;
  std::string pending_;
  std::size_t written_ = 0;  // bytes of pending_ that the file has
  base::Error error_;
};

}  // namespace gateway
