// Output: standard output, buffered, and what it is connected to.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace flowctl {

/// Text collects here and goes out in large writes. When the reader has gone away (`| head`), or a
/// write has failed, or an Interruption came while it waited for its reader, the rest is dropped
/// and is_open() is false: a long listing may stop.
class Output {
 public:
  /// Writes to `descriptor`, which stays the caller's and is called `name` when that fails.
  explicit Output(int descriptor, std::string name = "standard output")
      : descriptor_(descriptor), name_(std::move(name)) {}

  /// Whoever composes rows appends to this, and calls row_done() after each.
  std::string& text() { return text_; }
  void row_done() {
    if (text_.size() >= kFlushBytes) {
      flush();
    }
  }
  void flush();

  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] bool is_open() const { return open_; }
  /// Why it is not; a reader that has gone away is no reason to complain, so that gives none.
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  static constexpr std::size_t kFlushBytes = 64 * 1024;

  int descriptor_;
  std::string name_;
  bool open_ = true;
  std::string text_;
  std::string error_;
};

/// Whether `descriptor` is a terminal that may be written to in colour: NO_COLOR (no-color.org) is
/// not set and TERM is not "dumb".
bool wants_colours(int descriptor);

}  // namespace flowctl
