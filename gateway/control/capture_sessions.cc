#include "gateway/control/capture_sessions.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <unordered_map>
#include <utility>

#include <asio/posix/stream_descriptor.hpp>

namespace gateway {

class CaptureSessions::State : public std::enable_shared_from_this<State> {
 public:
  State(asio::io_context& loop, CaptureSource& source) : loop_(loop), source_(&source) {}

  [[nodiscard]] std::size_t count() const { return count_; }

  base::SysResult<Begun> begin(const FlowFilter& filter, std::size_t snap_bytes) {
    auto made = CaptureMemory::create(source_->shard_count());
    if (!made) {
      return base::Unexpected{made.error()};
    }
    const auto memory = std::make_shared<CaptureMemory>(std::move(made->memory));
    const std::uint64_t id = ++last_id_;
    for (std::size_t shard = 0; shard < memory->ring_count(); ++shard) {
      source_->start_capture(
          shard,
          {.id = id, .filter = filter, .snap_bytes = snap_bytes, .memory = memory, .ring = shard});
    }
    const auto running = std::make_shared<Running>(shared_from_this(), id);
    return Begun{std::move(made->file),
                 [running](base::Fd socket) { running->state->watch(running, std::move(socket)); }};
  }

  void stop() {
    source_ = nullptr;
    for (auto& [id, socket] : std::exchange(sockets_, {})) {
      asio::error_code ignored;
      socket.close(ignored);
    }
  }

 private:
  // The capture goes on while anybody holds this.
  struct Running {
    Running(std::shared_ptr<State> owner, std::uint64_t number)
        : state(std::move(owner)), id(number) {
      ++state->count_;
    }
    ~Running() {
      --state->count_;
      if (state->source_ != nullptr) {
        state->source_->stop_capture(id);
      }
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

    std::shared_ptr<State> state;
    std::uint64_t id;
  };

  // The client has nothing to say; its end is what we wait for.
  void watch(const std::shared_ptr<Running>& running, base::Fd socket) {
    if (source_ != nullptr) {
      sockets_.try_emplace(running->id, loop_, socket.release());
      wait(running);
    }
  }

  void wait(const std::shared_ptr<Running>& running) {
    const auto found = sockets_.find(running->id);
    found->second.async_wait(
        asio::posix::stream_descriptor::wait_read, [running](const asio::error_code& failed) {
          State& state = *running->state;
          const auto mine = state.sockets_.find(running->id);
          if (failed || mine == state.sockets_.end()) {
            return;
          }
          std::array<char, 512> ignored;
          const ssize_t bytes =
              ::recv(mine->second.native_handle(), ignored.data(), ignored.size(), MSG_DONTWAIT);
          if (bytes > 0 || (bytes < 0 && (errno == EAGAIN || errno == EINTR))) {
            state.wait(running);
          } else {
            state.sockets_.erase(mine);
          }
        });
  }

  asio::io_context& loop_;
  CaptureSource* source_;  // nullptr: we have stopped
  std::unordered_map<std::uint64_t, asio::posix::stream_descriptor> sockets_;  // by id
  std::uint64_t last_id_ = 0;
  std::size_t count_ = 0;
};

CaptureSessions::CaptureSessions(asio::io_context& loop, CaptureSource& source)
    : state_(std::make_shared<State>(loop, source)) {}

CaptureSessions::~CaptureSessions() {
  state_->stop();
}

bool CaptureSessions::is_full() const {
  return state_->count() >= kMost;
}

base::SysResult<CaptureSessions::Begun> CaptureSessions::begin(const FlowFilter& filter,
                                                               std::size_t snap_bytes) {
  return state_->begin(filter, snap_bytes);
}

}  // namespace gateway
