// Pump: one direction of a relay, from one TCP socket to another.
//
// Theory of operation
//
// A wake-up first copies: one recv into the thread's scratch buffer, one send. That is all that an
// interactive exchange needs. When the buffer came back full there is bulk behind it, and the pump
// goes on with splice(2) through a pipe, without copying. What a send or splice could not place
// stays in the pipe, so an idle direction owns none, and a direction owns at most one.
//
// Two cases never use a pipe: when the process has no descriptor left for one, and once urgent data
// was seen (splice stops at the urgent mark for ever, tcp_read_sock in net/ipv4/tcp.c). Then bytes
// are peeked, sent, and only then taken. Urgent data counts as ordinary (RFC 6093 section 6).
//
// MSG_MORE and SPLICE_F_MORE are never set: with nothing more to come they hold the last segment
// back for 200 ms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/fd.h"
#include "gateway/relay/pipe_pool.h"

namespace gateway {

/// Belongs to its relay, on the loop's thread.
class Pump {
 public:
  enum class Step : std::uint8_t {
    kIdle,        // nothing more to read now
    kBlocked,     // the receiver takes no more now
    kBudget,      // moved its share of this turn; there is more
    kDone,        // the sender's FIN has been passed on; nothing will follow
    kReadFailed,  // error() says why
    kWriteFailed,
  };

  /// Is shown the bytes that pass.
  class Watcher {
   public:
    /// False: it has seen enough. `pump` has moved its moved_bytes() before these.
    virtual bool passes(const Pump& pump, std::span<const std::byte> bytes) = 0;

   protected:
    ~Watcher() = default;
  };

  /// From now on, until it has seen enough: without splicing. It outlives the pump's use.
  void watch(Watcher& watcher) { watcher_ = &watcher; }

  static constexpr std::size_t kTurnBytes = 1 << 20;  // chosen: fairness between relays

  /// Moves what can be moved without blocking, but no more than `most_bytes`, which is not 0.
  /// `hung_up`: epoll has shown RDHUP, HUP or ERR on `from`, so that a short read is not the end of
  /// what there is.
  Step run(const base::Fd& from, const base::Fd& to, PipePool& pipes, bool hung_up,
           std::size_t most_bytes = kTurnBytes);

  /// From now on without pipes: the sender uses urgent data.
  void expect_urgent_data() { urgent_ = true; }

  /// The sender was reset: its end of stream is not to be passed on as a FIN.
  void withhold_fin() { withhold_fin_ = true; }

  /// Gives the pipe back, with whatever is in it.
  void release(PipePool& pipes);

  [[nodiscard]] bool is_blocked() const { return blocked_; }
  [[nodiscard]] bool is_done() const { return done_; }
  [[nodiscard]] std::uint64_t moved_bytes() const { return moved_bytes_; }
  [[nodiscard]] int error() const { return error_; }  // errno

 private:
  // Each moves at most `most` bytes.
  std::optional<Step> drain_pipe(const base::Fd& to, PipePool& pipes, std::size_t most);
  std::optional<Step> copy_once(const base::Fd& from, const base::Fd& to, PipePool& pipes,
                                bool hung_up, std::size_t most);
  std::optional<Step> fill_pipe(const base::Fd& from, PipePool& pipes, std::size_t most);
  std::optional<Step> peek_once(const base::Fd& from, const base::Fd& to, std::size_t most);
  Step finish(const base::Fd& to);
  // "Would block" is a step of its own, not a failure.
  Step fail(Step step, int error);

  void show(std::span<const std::byte> bytes) {
    if (watcher_ != nullptr && !watcher_->passes(*this, bytes)) {
      watcher_ = nullptr;
    }
  }

  std::optional<Pipe> pipe_;
  Watcher* watcher_ = nullptr;
  std::uint64_t moved_bytes_ = 0;
  std::uint32_t piped_bytes_ = 0;  // in the pipe
  int error_ = 0;
  bool eof_ = false;
  bool blocked_ = false;
  bool done_ = false;
  bool urgent_ = false;
  bool withhold_fin_ = false;
  bool bulk_ = false;  // the last copy came back full
};

}  // namespace gateway
