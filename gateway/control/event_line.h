// Event line: one event of the feed as followers read it: a flow's as in the audit log, a tunnel's,
// and how many were lost.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "gateway/inspect/flow_filter.h"
#include "gateway/telemetry/event_feed.h"

namespace gateway {

/// An event and the names of its numbers, asked for once. Borrows the event.
class EventLine {
 public:
  EventLine(const EventFeed::Happened& happened, const AuditNames& names);

  [[nodiscard]] bool matches(const FlowFilter& filter) const;
  /// Its end included.
  void append_to(std::string& out) const;

 private:
  void append_tunnel(std::string& out, const TunnelEvent& event) const;

  const EventFeed::Happened& happened_;
  std::string tenant_;
  std::string tunnel_;
  std::string rule_;
};

/// {"time":...,"event":"lost","count":N}
void append_lost_line(std::string& out, std::chrono::system_clock::time_point time,
                      std::uint64_t count);

}  // namespace gateway
