#include "gateway/flow/flow_region.h"

#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <utility>

namespace gateway {

using base::Fd;
using base::Unexpected;

base::SysResult<FlowRegion> FlowRegion::create(std::size_t bytes) {
  Fd fd = Fd::adopt(::memfd_create("liftgate-flows", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.is_open()) {
    return Unexpected{base::last_error("memfd_create for the flow table")};
  }
  if (::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) {
    return Unexpected{base::last_error("flow table: reserve " + std::to_string(bytes) + " bytes")};
  }
  void* start =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd.get(), 0);
  if (start == MAP_FAILED) {
    return Unexpected{base::last_error("flow table: map " + std::to_string(bytes) + " bytes")};
  }
  return FlowRegion(std::move(fd), {static_cast<std::byte*>(start), bytes});
}

FlowRegion::~FlowRegion() {
  if (!bytes_.empty()) {
    ::munmap(bytes_.data(), bytes_.size());
  }
}

FlowRegion::FlowRegion(FlowRegion&& other) noexcept
    : fd_(std::move(other.fd_)), bytes_(std::exchange(other.bytes_, {})) {}

}  // namespace gateway
