#include "gateway/relay/pump.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <utility>

#include "base/check.h"

namespace gateway {

using base::Fd;

namespace {

// Two pages: what even the smallest pipe takes when it is empty (PIPE_MIN_DEF_BUFFERS in fs/pipe.c,
// which users beyond fs.pipe-user-pages-soft get), so that no byte is ever without a place.
constexpr std::size_t kCopyBytes = 8 * 1024;

std::span<std::byte> scratch() {
  thread_local std::array<std::byte, kCopyBytes> bytes;
  return bytes;
}

}  // namespace

Pump::Step Pump::run(const Fd& from, const Fd& to, PipePool& pipes, bool hung_up,
                     std::size_t most_bytes) {
  if (done_) {
    return Step::kDone;
  }
  const std::uint64_t limit = moved_bytes_ + most_bytes;
  blocked_ = false;
  bulk_ = false;
  while (moved_bytes_ < limit) {
    const auto left = static_cast<std::size_t>(limit - moved_bytes_);
    std::optional<Step> step;
    if (piped_bytes_ > 0) {
      step = drain_pipe(to, pipes, left);
    } else if (eof_) {
      return finish(to);
    } else if (urgent_) {
      step = peek_once(from, to, left);
    } else if (bulk_) {
      step = fill_pipe(from, pipes, left);
    } else {
      step = copy_once(from, to, pipes, hung_up, left);
    }
    if (step) {
      return *step;
    }
  }
  return Step::kBudget;
}

std::optional<Pump::Step> Pump::drain_pipe(const Fd& to, PipePool& pipes, std::size_t most) {
  const ssize_t moved =
      ::splice(pipe_->read_end.get(), nullptr, to.get(), nullptr,
               std::min<std::size_t>(piped_bytes_, most), SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (moved < 0) {
    return fail(Step::kWriteFailed, errno);
  }
  piped_bytes_ -= static_cast<std::uint32_t>(moved);
  moved_bytes_ += static_cast<std::uint64_t>(moved);
  if (piped_bytes_ == 0) {
    pipes.give_back(std::move(*std::exchange(pipe_, std::nullopt)));
  }
  return std::nullopt;
}

std::optional<Pump::Step> Pump::copy_once(const Fd& from, const Fd& to, PipePool& pipes,
                                          bool hung_up, std::size_t most) {
  // The pipe comes first: what is taken from `from` must have a place if `to` does not take it.
  pipe_ = pipes.take();
  if (!pipe_) {
    return peek_once(from, to, most);
  }
  const auto room = scratch().first(std::min(most, scratch().size()));
  const auto release_pipe = [&] {
    pipes.give_back(std::move(*std::exchange(pipe_, std::nullopt)));
  };
  const ssize_t got = ::recv(from.get(), room.data(), room.size(), MSG_DONTWAIT);
  if (got <= 0) {
    const int error = errno;
    release_pipe();
    if (got < 0) {
      return fail(Step::kReadFailed, error);
    }
    eof_ = true;
    return std::nullopt;
  }
  const auto bytes = room.first(static_cast<std::size_t>(got));
  show(bytes);
  const ssize_t sent = ::send(to.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) {
    const int error = errno;
    release_pipe();
    return fail(Step::kWriteFailed, error);
  }
  const auto placed = static_cast<std::size_t>(sent < 0 ? 0 : sent);
  moved_bytes_ += placed;
  if (placed < bytes.size()) {
    const auto rest = bytes.subspan(placed);
    const ssize_t kept = ::write(pipe_->write_end.get(), rest.data(), rest.size());
    if (kept != std::ssize(rest)) {  // see kCopyBytes: only for want of memory
      release_pipe();
      return fail(Step::kWriteFailed, ENOMEM);
    }
    piped_bytes_ = static_cast<std::uint32_t>(kept);
    return std::nullopt;
  }
  release_pipe();
  const bool is_full = bytes.size() == room.size();
  bulk_ = is_full && watcher_ == nullptr;
  // A short read emptied the socket; what comes later makes a new edge. Unless it hung up: the FIN
  // or error behind these bytes was part of the edge that we are serving.
  if (!is_full && !hung_up) {
    return Step::kIdle;
  }
  return std::nullopt;
}

std::optional<Pump::Step> Pump::fill_pipe(const Fd& from, PipePool& pipes, std::size_t most) {
  pipe_ = pipes.take();
  if (!pipe_) {
    bulk_ = false;  // copy_once() knows what to do without
    return std::nullopt;
  }
  const ssize_t got = ::splice(from.get(), nullptr, pipe_->write_end.get(), nullptr,
                               std::min<std::size_t>(PipePool::kPipeBytes, most),
                               SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (got > 0) {
    piped_bytes_ = static_cast<std::uint32_t>(got);
    return std::nullopt;
  }
  const int error = errno;
  pipes.give_back(std::move(*std::exchange(pipe_, std::nullopt)));
  if (got < 0) {
    return fail(Step::kReadFailed, error);
  }
  // The end, or urgent data that came since epoll_wait(2): recv(2) can tell.
  bulk_ = false;
  return std::nullopt;
}

std::optional<Pump::Step> Pump::peek_once(const Fd& from, const Fd& to, std::size_t most) {
  const ssize_t got = ::recv(from.get(), scratch().data(), std::min(most, scratch().size()),
                             MSG_DONTWAIT | MSG_PEEK);
  if (got < 0) {
    return fail(Step::kReadFailed, errno);
  }
  if (got == 0) {
    eof_ = true;
    return std::nullopt;
  }
  const ssize_t sent = ::send(to.get(), scratch().data(), static_cast<std::size_t>(got),
                              MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) {
    return fail(Step::kWriteFailed, errno);
  }
  show(scratch().first(static_cast<std::size_t>(sent)));
  // Takes what was sent off the queue: it was peeked, so it is there.
  ::recv(from.get(), scratch().data(), static_cast<std::size_t>(sent), MSG_DONTWAIT);
  moved_bytes_ += static_cast<std::uint64_t>(sent);
  return std::nullopt;
}

Pump::Step Pump::finish(const Fd& to) {
  if (!withhold_fin_) {
    ::shutdown(to.get(), SHUT_WR);  // fails only when `to` is dead, which its own events tell
  }
  done_ = true;
  return Step::kDone;
}

Pump::Step Pump::fail(Step step, int error) {
  if (error == EAGAIN) {
    blocked_ = step == Step::kWriteFailed;
    return blocked_ ? Step::kBlocked : Step::kIdle;
  }
  error_ = error;
  return step;
}

void Pump::release(PipePool& pipes) {
  if (pipe_) {
    pipes.discard(std::move(*std::exchange(pipe_, std::nullopt)));
    piped_bytes_ = 0;
  }
}

}  // namespace gateway
