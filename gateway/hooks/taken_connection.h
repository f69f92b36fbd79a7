// TakenConnection: the two sockets of an upgraded connection in an app's hands.
//
// Theory of operation
//
// The app may use both sockets from any thread, until it lets go of the object: with finish() the
// connection was at its end, and each socket is closed as close(2) does; else both are reset. The
// gateway then ends the flow. When the gateway ends the flow first (`flowctl kill`, its own end),
// both connections are reset at once, which every read and write shows, and the descriptors stay
// valid until the app lets go.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "base/fd.h"

namespace gateway::hooks {

/// What both have of it. Thread-safe.
class TakenSockets {
 public:
  TakenSockets(base::Fd client, base::Fd upstream)
      : client_(std::move(client)), upstream_(std::move(upstream)) {}
  virtual ~TakenSockets() = default;
  TakenSockets(const TakenSockets&) = delete;
  TakenSockets& operator=(const TakenSockets&) = delete;

  [[nodiscard]] const base::Fd& client() const { return client_; }
  [[nodiscard]] const base::Fd& upstream() const { return upstream_; }
  /// The app uses them no more.
  virtual void let_go(bool was_finished, std::uint64_t up_bytes, std::uint64_t down_bytes) = 0;

 private:
  base::Fd client_;
  base::Fd upstream_;
};

class TakenConnection {
 public:
  explicit TakenConnection(std::shared_ptr<TakenSockets> sockets) : sockets_(std::move(sockets)) {}
  ~TakenConnection() { let_go(false); }
  TakenConnection(TakenConnection&& other) noexcept
      : sockets_(std::move(other.sockets_)), up_(other.up_), down_(other.down_) {}
  TakenConnection& operator=(TakenConnection&& other) noexcept {
    let_go(false);
    sockets_ = std::move(other.sockets_);
    up_ = other.up_;
    down_ = other.down_;
    return *this;
  }
  TakenConnection(const TakenConnection&) = delete;
  TakenConnection& operator=(const TakenConnection&) = delete;

  /// Connected and non-blocking; not after finish().
  [[nodiscard]] const base::Fd& client() const { return sockets_->client(); }
  [[nodiscard]] const base::Fd& upstream() const { return sockets_->upstream(); }
  /// What the app has relayed, for the gateway's own figures.
  void count(std::uint64_t up_bytes, std::uint64_t down_bytes) {
    up_ += up_bytes;
    down_ += down_bytes;
  }
  void finish() { let_go(true); }

 private:
  void let_go(bool was_finished) {
    if (const auto sockets = std::exchange(sockets_, nullptr)) {
      sockets->let_go(was_finished, up_, down_);
    }
  }

  std::shared_ptr<TakenSockets> sockets_;
  std::uint64_t up_ = 0;
  std::uint64_t down_ = 0;
};

}  // namespace gateway::hooks
