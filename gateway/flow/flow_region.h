// FlowRegion: the memfd that holds a shard's flow table, mapped here and readable by others.
#pragma once

#include <cstddef>
#include <span>

#include "base/error.h"
#include "base/fd.h"

namespace gateway {

/// Address space for the configured maximum is reserved at once; pages are taken as they are used.
class FlowRegion {
 public:
  static base::SysResult<FlowRegion> create(std::size_t bytes);
  ~FlowRegion();
  FlowRegion(FlowRegion&& other) noexcept;
  FlowRegion& operator=(FlowRegion&&) = delete;

  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }
  [[nodiscard]] const base::Fd& fd() const { return fd_; }

 private:
  FlowRegion(base::Fd fd, std::span<std::byte> bytes) : fd_(std::move(fd)), bytes_(bytes) {}

  base::Fd fd_;
  std::span<std::byte> bytes_;
};

}  // namespace gateway
