// CaptureMemory: the memory file that carries the rings of one capture, one ring for each shard.
//
// The gateway makes it, seals its size (who shrinks a file under a mapping kills who maps it), and
// hands it over the control socket; both sides map it for writing, because the reader moves its
// tail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/fd.h"
#include "gateway/capture/capture_ring.h"

namespace gateway {

class CaptureMemory {
 public:
  static constexpr std::size_t kMostRings = 256;

  struct Made;
  /// For `rings` rings of `ring_bytes`, a multiple of the page.
  static base::SysResult<Made> create(std::size_t rings,
                                      std::uint64_t ring_bytes = kCaptureRingBytes);
  /// What a gateway has handed over. Fails where the file is not what create() makes.
  static base::SysResult<CaptureMemory> open(const base::Fd& file);

  ~CaptureMemory();
  CaptureMemory(CaptureMemory&& other) noexcept;
  CaptureMemory& operator=(CaptureMemory&&) = delete;

  [[nodiscard]] std::size_t ring_count() const { return rings_; }
  [[nodiscard]] std::span<std::byte> ring(std::size_t index) const;

 private:
  CaptureMemory(std::byte* start, std::size_t size, std::size_t rings)
      : start_(start), size_(size), rings_(rings) {}
  static base::SysResult<CaptureMemory> map(const base::Fd& file, std::size_t rings,
                                            std::uint64_t ring_bytes);

  std::byte* start_;
  std::size_t size_;
  std::size_t rings_;
};

struct CaptureMemory::Made {
  CaptureMemory memory;
  base::Fd file;
};

}  // namespace gateway
