// CaptureSessions: the connections of `flowctl capture`.
//
// Theory of operation
//
// It lives on the control thread and never sees a packet: each capture has memory of its own, which
// the shards write and the client reads (capture/capture_ring.h). A capture lasts as long as its
// connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include <asio/io_context.hpp>

#include "base/error.h"
#include "base/fd.h"
#include "gateway/capture/capture_tap.h"

namespace gateway {

/// What captures need of the gateway. Called on the control thread.
class CaptureSource {
 public:
  [[nodiscard]] virtual std::size_t shard_count() const = 0;
  virtual void start_capture(std::size_t shard, CaptureJob job) = 0;
  /// In every shard, soon.
  virtual void stop_capture(std::uint64_t id) = 0;

 protected:
  ~CaptureSource() = default;
};

class CaptureSessions {
 public:
  static constexpr std::size_t kMost = 4;  // chosen: each packet is held against each filter

  /// Both outlive the sessions.
  CaptureSessions(asio::io_context& loop, CaptureSource& source);
  /// Ends every capture, and its connection.
  ~CaptureSessions();
  CaptureSessions(const CaptureSessions&) = delete;
  CaptureSessions& operator=(const CaptureSessions&) = delete;

  [[nodiscard]] bool is_full() const;

  struct Begun {
    base::Fd memory;
    std::function<void(base::Fd socket)> then;  // its connection; without one the capture ends
  };
  base::SysResult<Begun> begin(const FlowFilter& filter, std::size_t snap_bytes);

 private:
  class State;
  std::shared_ptr<State> state_;  // handlers may still be queued when we go
};

}  // namespace gateway
