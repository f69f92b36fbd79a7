#include "gateway/capture/capture_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

namespace gateway {
namespace {

using base::Fd;
using base::SysResult;
using base::Unexpected;

constexpr std::size_t kPage = 4096;
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

struct Head {
  static constexpr std::uint64_t kMagic = 0x7061636766696c;  // "lifgcap", little-endian
  static constexpr std::uint32_t kVersion = 1;               // of this and of CaptureRecord

  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t record_bytes;
  std::uint64_t rings;
  std::uint64_t ring_bytes;
};

Unexpected<base::Error> refused(const char* why) {
  return Unexpected{base::failure(std::string("capture memory: ") + why)};
}

}  // namespace

SysResult<CaptureMemory> CaptureMemory::map(const Fd& file, std::size_t rings,
                                            std::uint64_t ring_bytes) {
  const std::size_t size = kPage + rings * ring_bytes;
  void* start = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (start == MAP_FAILED) {
    return Unexpected{base::last_error("capture memory: map " + std::to_string(size) + " bytes")};
  }
  return CaptureMemory(static_cast<std::byte*>(start), size, rings);
}

SysResult<CaptureMemory::Made> CaptureMemory::create(std::size_t rings, std::uint64_t ring_bytes) {
  Fd file = Fd::adopt(::memfd_create("liftgate-capture", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file.is_open()) {
    return Unexpected{base::last_error("memfd_create for a capture")};
  }
  const std::size_t size = kPage + rings * ring_bytes;
  if (::ftruncate(file.get(), static_cast<off_t>(size)) != 0 ||
      ::fcntl(file.get(), F_ADD_SEALS, kSeals) != 0) {
    return Unexpected{
        base::last_error("capture memory: reserve " + std::to_string(size) + " bytes")};
  }
  auto memory = map(file, rings, ring_bytes);
  if (!memory) {
    return Unexpected{memory.error()};
  }
  const Head head{.magic = Head::kMagic,
                  .version = Head::kVersion,
                  .record_bytes = sizeof(CaptureRecord),
                  .rings = rings,
                  .ring_bytes = ring_bytes};
  std::memcpy(memory->start_, &head, sizeof(head));
  return Made{std::move(memory).value(), std::move(file)};
}

SysResult<CaptureMemory> CaptureMemory::open(const Fd& file) {
  Head head{};
  struct stat status{};
  if (::fstat(file.get(), &status) != 0 ||
      ::pread(file.get(), &head, sizeof(head), 0) != sizeof(head) || head.magic != Head::kMagic) {
    return refused("the gateway sent something else");
  }
  if (head.version != Head::kVersion || head.record_bytes != sizeof(CaptureRecord)) {
    return refused("flowctl and liftgate must be of the same version");
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (head.rings == 0 || head.rings > kMostRings || head.ring_bytes <= sizeof(CaptureRingHeader) ||
      head.ring_bytes % kPage != 0 || head.ring_bytes > size ||
      size != kPage + head.rings * head.ring_bytes ||
      (::fcntl(file.get(), F_GET_SEALS) & F_SEAL_SHRINK) == 0) {
    return refused("its size is not what its header says");
  }
  return map(file, static_cast<std::size_t>(head.rings), head.ring_bytes);
}

CaptureMemory::~CaptureMemory() {
  if (start_ != nullptr) {
    ::munmap(start_, size_);
  }
}

CaptureMemory::CaptureMemory(CaptureMemory&& other) noexcept
    : start_(std::exchange(other.start_, nullptr)), size_(other.size_), rings_(other.rings_) {}

std::span<std::byte> CaptureMemory::ring(std::size_t index) const {
  const std::size_t bytes = (size_ - kPage) / rings_;
  return {start_ + kPage + index * bytes, bytes};
}

}  // namespace gateway
