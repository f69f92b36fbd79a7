// LentSockets: a connection's sockets while an app has them, as the shard sees it.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

#include "base/fd.h"
#include "gateway/hooks/taken_connection.h"
#include "gateway/loop/event_loop.h"

namespace gateway {

class LentSockets final : public hooks::TakenSockets {
 public:
  LentSockets(base::Fd client, base::Fd upstream, EventLoop& loop)
      : TakenSockets(std::move(client), std::move(upstream)), loop_(&loop) {}

  /// Before the app has them. `given_back` is called on the loop's thread, unless take_back() was
  /// called before.
  void set_given_back(std::function<void()> given_back) { given_back_ = std::move(given_back); }

  void let_go(bool was_finished, std::uint64_t up_bytes, std::uint64_t down_bytes) override;

  struct Return {
    bool was_finished = false;  // else both are to be reset
    std::uint64_t up_bytes = 0;
    std::uint64_t down_bytes = 0;
  };
  /// How the app has let go; nothing: it has not.
  [[nodiscard]] std::optional<Return> returned() const;
  /// The flow is over. What the app still has is reset under its hands. For the loop's thread.
  void take_back();

 private:
  mutable std::mutex mutex_;
  EventLoop* loop_;  // null: the shard does not want to know
  std::function<void()> given_back_;
  std::optional<Return> returned_;
};

}  // namespace gateway
