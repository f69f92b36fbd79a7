// MappedFile: a file mapped read-only, for the life of the object.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/fd.h"

namespace base {

class MappedFile {
 public:
  /// All of `file`, as long as it is now; another process may write to it. `name` is what the error
  /// calls it: "the flow table".
  static SysResult<MappedFile> of(const Fd& file, std::string_view name);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&&) = delete;

  /// Stay where they are when the object is moved.
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::span<const std::byte> bytes_;
};

}  // namespace base
