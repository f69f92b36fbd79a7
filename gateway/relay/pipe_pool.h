// PipePool: the pipes that splice(2) moves bytes through, lent only while bytes are in flight.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/fd.h"

namespace gateway {

struct Pipe {
  base::Fd read_end;
  base::Fd write_end;
};

/// Belongs to one loop's thread.
class PipePool {
 public:
  /// Chosen: 64 slots. A slot holds one page fragment of an skb, often a single MSS, so the default
  /// 16 slots carry too little per call. Unprivileged users may have 64 MiB of pipes in all
  /// (fs.pipe-user-pages-soft); beyond, the kernel makes them small, which is slower and no error.
  static constexpr int kPipeBytes = 256 * 1024;
  static constexpr std::size_t kKept = 64;  // chosen: 16 MiB of those

  /// An empty pipe; nothing when the process is out of descriptors.
  std::optional<Pipe> take();
  /// `pipe` is empty again and may be lent to somebody else.
  void give_back(Pipe pipe);
  /// `pipe` still holds bytes that nobody wants: closed.
  void discard(Pipe pipe);

  [[nodiscard]] std::uint32_t in_use() const { return in_use_; }

 private:
  std::vector<Pipe> spare_;
  std::uint32_t in_use_ = 0;
};

}  // namespace gateway
