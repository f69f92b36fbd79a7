// Fd: the one owner of one file descriptor.
#pragma once

#include <utility>

namespace base {

/// Passing conventions: `Fd` by value takes ownership, `const Fd&` borrows for the call, and a bare
/// `int` appears only in the argument list of a syscall.
///
/// Every descriptor we make is close-on-exec: O_CLOEXEC, SOCK_CLOEXEC, MSG_CMSG_CLOEXEC.
class [[nodiscard]] Fd {
 public:
  Fd() = default;  // owns nothing
  ~Fd() { reset(); }

  Fd(Fd&& other) noexcept : number_(std::exchange(other.number_, kNone)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      number_ = std::exchange(other.number_, kNone);
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;

  /// Takes over `number`, which nobody else may close. Negative: owns nothing.
  static Fd adopt(int number) { return Fd(number); }

  [[nodiscard]] int get() const { return number_; }
  [[nodiscard]] bool is_open() const { return number_ >= 0; }

  /// Closes now. Errors of close(2) are ignored: on Linux the number is gone either way, and we
  /// hold no files whose write-back could fail.
  void reset() noexcept;

  /// Gives the number up to the caller, who must close it.
  [[nodiscard]] int release() { return std::exchange(number_, kNone); }

 private:
  static constexpr int kNone = -1;
  explicit Fd(int number) : number_(number) {}

  int number_ = kNone;
};

}  // namespace base
