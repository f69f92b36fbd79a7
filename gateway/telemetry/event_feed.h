// EventFeed: the audit log, and beside it what happens as it happens, for those who follow.
//
// Theory of operation
//
// It stands where the audit log stands and passes everything on to it. While somebody follows, it
// also keeps a copy of each event, for the control thread to take; the first that waits wakes that
// thread, the others wait with it. When kMostWaiting wait, further ones are counted instead: a
// control thread that is busy costs events, never the shard's time. While nobody follows, an event
// costs one more load.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <variant>
#include <vector>

#include "gateway/telemetry/audit_log.h"

namespace gateway {

class EventFeed final : public AuditLog {
 public:
  static constexpr std::size_t kMostWaiting = 16'384;  // chosen: 4 MB

  explicit EventFeed(std::unique_ptr<AuditLog> log) : log_(std::move(log)) {}

  // Shard threads.
  void append(const AuditEvent& event) override;
  void tell(const TunnelEvent& event) override;
  [[nodiscard]] bool accepts_starts() const override { return log_->accepts_starts(); }

  // Any thread.
  void reopen() override { log_->reopen(); }
  void finish() override { log_->finish(); }
  [[nodiscard]] std::uint64_t events() const override { return log_->events(); }
  [[nodiscard]] std::uint64_t write_errors() const override { return log_->write_errors(); }
  [[nodiscard]] AuditHealth health() const override { return log_->health(); }

  struct Happened {
    std::variant<AuditEvent, TunnelEvent> event;
    std::int64_t at_ns;  // CLOCK_MONOTONIC
  };
  struct Batch {
    std::vector<Happened> events;
    std::uint64_t lost = 0;  // after them
  };

  // The control thread.
  /// From now on events are kept; `wake` is called on a shard's thread when there are some to take.
  void start(std::function<void()> wake);
  /// Nobody follows any more. `wake` is not called after this returns.
  void stop();
  Batch take();

 private:
  void keep(Happened happened);

  std::unique_ptr<AuditLog> log_;
  std::atomic<bool> followed_ = false;
  std::mutex mutex_;
  std::function<void()> wake_;
  Batch waiting_;
};

}  // namespace gateway
