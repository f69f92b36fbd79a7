// AuditLog: one JSON line per flow start and per flow end, never more, never fewer.
//
// Theory of operation
//
// The shard appends flat events and goes on; a writer thread of the log's own formats and writes
// them. The queue is bounded for starts only: when it is long, accepts_starts() turns false and the
// shard refuses new flows (Drop::kAuditBacklog), so that every flow that was let in can still log
// its end. The file is opened for appending, and again on reopen() (log rotation).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "flows/flow.h"
#include "gateway/inspect/health.h"

namespace gateway {

struct AuditEvent {
  enum class Kind : std::uint8_t { kFlowStart, kFlowEnd };
  Kind kind{};
  std::chrono::system_clock::time_point time;
  flows::Flow flow;  // as it was at that moment
  std::string
      host;  // the name of its destination; its record may be another's by the time it is read
};

/// A tunnel that has come or gone. Not in the file, which is about flows: for those who follow
/// (event_feed.h).
struct TunnelEvent {
  enum class Kind : std::uint8_t { kOpen, kClose };
  Kind kind{};
  std::chrono::system_clock::time_point time;
  std::uint32_t id = 0;
  std::uint32_t tenant_id = 0;
  std::string name;
  std::string onramp;
  std::uint32_t mtu_bytes = 0;
  flows::WireCount up;  // kClose: all that it carried
  flows::WireCount down;
  std::uint64_t dropped_packets = 0;
};

/// Names for the numbers in a flow; called on the writer thread, must be thread-safe. A tunnel may
/// have gone by then: its name must be known for as long as its events may wait.
struct AuditNames {
  std::function<std::string(std::uint32_t tenant)> tenant;
  std::function<std::string(std::uint32_t tunnel)> tunnel;
  std::function<std::string(std::uint16_t rule)> rule;
};

class AuditLog {
 public:
  static constexpr std::uint64_t kMostQueued = 65'536;  // chosen: a second of a busy gateway, 16 MB

  /// Opens `path` for appending (0600 when it makes the file). An empty path: events are counted
  /// and forgotten. `most_queued` is how many events may wait before new flows are refused.
  static base::SysResult<std::unique_ptr<AuditLog>> open(const std::string& path, AuditNames names,
                                                         std::uint64_t most_queued = kMostQueued);
  virtual ~AuditLog() = default;  // writes what is queued, then closes

  /// Shard threads. Never blocks on the disk.
  virtual void append(const AuditEvent& event) = 0;
  [[nodiscard]] virtual bool accepts_starts() const = 0;
  virtual void tell(const TunnelEvent&) {}

  /// Any thread.
  virtual void reopen() = 0;
  /// Writes what is queued, and nothing that comes after. Once, where it cannot be destroyed.
  virtual void finish() {}
  [[nodiscard]] virtual std::uint64_t events() const = 0;
  [[nodiscard]] virtual std::uint64_t write_errors() const = 0;
  [[nodiscard]] virtual AuditHealth health() const = 0;
};

}  // namespace gateway
