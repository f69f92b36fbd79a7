#include "gateway/relay/pipe_pool.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "gateway/descriptors.h"

namespace gateway {

using base::Fd;

std::optional<Pipe> PipePool::take() {
  if (!spare_.empty()) {
    Pipe pipe = std::move(spare_.back());
    spare_.pop_back();
    ++in_use_;
    return pipe;
  }
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    return std::nullopt;
  }
  Pipe pipe{Fd::adopt(ends[0]), Fd::adopt(ends[1])};
  if (is_reserved(pipe.read_end) || is_reserved(pipe.write_end)) {
    return std::nullopt;
  }
  ::fcntl(pipe.write_end.get(), F_SETPIPE_SZ, kPipeBytes);  // refused: it stays at 64 KiB
  ++in_use_;
  return pipe;
}

void PipePool::give_back(Pipe pipe) {
  --in_use_;
  if (spare_.size() < kKept) {
    spare_.push_back(std::move(pipe));
  }
}

void PipePool::discard(Pipe pipe) {
  --in_use_;
  const Pipe closing = std::move(pipe);
}

}  // namespace gateway
