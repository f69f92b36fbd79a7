// Error: why an operation on the system (a syscall, a file, a library) failed.
#pragma once

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "base/result.h"

namespace base {

struct Error {
  std::error_code code;  // std::generic_category() for errno
  std::string doing;     // what was attempted, with its object: "TUNSETIFF gw0"
  std::string cure;  // what the user can do about it, one sentence; empty when we know of nothing

  /// "TUNSETIFF gw0: Device or resource busy", and the cure after it where there is one.
  [[nodiscard]] std::string message() const {
    std::string text = code ? doing + ": " + code.message() : doing;
    return cure.empty() ? text : text + ". " + cure;
  }
};

template <class T>
using SysResult = Result<T, Error>;

/// Takes errno, so call it before anything else can change it.
inline Error last_error(std::string doing) {
  return {std::error_code(errno, std::generic_category()), std::move(doing), {}};
}

/// A failure that no errno describes: "tun0: name longer than 15 bytes".
inline Error failure(std::string what) {
  return {{}, std::move(what), {}};
}

}  // namespace base
