// IpfixFeed: flows that have ended, on their way to a collector.
//
// Theory of operation
//
// It stands where the audit log stands, as EventFeed does, and passes everything on. Of each flow's
// end it keeps a record, which costs the shard a copy; the control thread takes them a few times a
// second (ipfix_exporter.h). When kMostWaiting wait, further ones are lost, and counted.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "gateway/telemetry/audit_log.h"
#include "gateway/telemetry/ipfix_message.h"

namespace gateway {

class IpfixFeed final : public AuditLog {
 public:
  static constexpr std::size_t kMostWaiting = 65'536;  // chosen: 12 MB

  explicit IpfixFeed(std::unique_ptr<AuditLog> log) : log_(std::move(log)) {}

  // Shard threads.
  void append(const AuditEvent& event) override;
  void tell(const TunnelEvent& event) override { log_->tell(event); }
  [[nodiscard]] bool accepts_starts() const override { return log_->accepts_starts(); }

  // Any thread.
  void reopen() override { log_->reopen(); }
  void finish() override { log_->finish(); }
  [[nodiscard]] std::uint64_t events() const override { return log_->events(); }
  [[nodiscard]] std::uint64_t write_errors() const override { return log_->write_errors(); }
  [[nodiscard]] AuditHealth health() const override { return log_->health(); }
  [[nodiscard]] std::vector<IpfixRecord> take();
  /// Records that found no place.
  [[nodiscard]] std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  std::unique_ptr<AuditLog> log_;
  std::mutex mutex_;
  std::vector<IpfixRecord> waiting_;
  std::atomic<std::uint64_t> lost_ = 0;
};

}  // namespace gateway
