#include "gateway/telemetry/ipfix_feed.h"

#include <utility>

#include "base/time.h"

namespace gateway {

void IpfixFeed::append(const AuditEvent& event) {
  log_->append(event);
  if (event.kind != AuditEvent::Kind::kFlowEnd) {
    return;
  }
  // The flow's own times are of the monotonic clock, and only the event's is not.
  const std::int64_t now_ns = base::to_nanoseconds(base::Clock::now());
  const auto ago = [&](std::int64_t then_ns) {
    return event.time - std::chrono::duration_cast<std::chrono::system_clock::duration>(
                            std::chrono::nanoseconds(now_ns - then_ns));
  };
  const IpfixRecord record{
      .flow = event.flow, .start = ago(event.flow.created_ns), .end = ago(event.flow.last_seen_ns)};
  const std::scoped_lock lock(mutex_);
  if (waiting_.size() >= kMostWaiting) {
    lost_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  waiting_.push_back(record);
}

std::vector<IpfixRecord> IpfixFeed::take() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(waiting_, {});
}

}  // namespace gateway
