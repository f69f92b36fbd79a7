// EventFollowers: the connections of `flowctl events`.
//
// Theory of operation
//
// It lives on the control thread. What the feed has is formatted once and added to the buffer of
// each follower whose filter lets it through; each buffer is written as its peer reads. A buffer
// that is full takes no more: what follows is counted, and once half of the buffer is free again
// the peer gets a line that says how many events it has lost, then the events from there on. So a
// reader that stands still costs kBufferBytes, and nobody waits for it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <asio/io_context.hpp>

#include "base/fd.h"
#include "gateway/inspect/flow_filter.h"
#include "gateway/telemetry/event_feed.h"

namespace gateway {

class EventFollowers {
 public:
  static constexpr std::size_t kMost = 64;                 // chosen
  static constexpr std::size_t kBufferBytes = 256 * 1024;  // chosen: some 500 events

  /// All outlive the followers.
  EventFollowers(asio::io_context& loop, EventFeed& feed, AuditNames names);
  /// Writes to each what it takes at once, and closes.
  ~EventFollowers();
  EventFollowers(const EventFollowers&) = delete;
  EventFollowers& operator=(const EventFollowers&) = delete;

  [[nodiscard]] bool is_full() const;
  /// `socket` is non-blocking, and its peer expects events from now on.
  void add(base::Fd socket, FlowFilter filter);

 private:
  class Follower;
  class State;

  std::shared_ptr<State> state_;  // handlers may still be queued when we go
};

}  // namespace gateway
