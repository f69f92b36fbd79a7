// FlowQuota: how many flows the shards may have together (`flows.max`).
//
// The only word that shards share. It is touched when a flow begins and when it ends, never for a
// packet.
#pragma once

#include <atomic>
#include <cstdint>

namespace gateway {

/// Any thread.
class FlowQuota {
 public:
  explicit FlowQuota(std::uint32_t most) : most_(most) {}

  /// A place for one more flow; false when there is none.
  [[nodiscard]] bool take() {
    if (used_.fetch_add(1, std::memory_order_relaxed) < most_) {
      return true;
    }
    give_back();
    return false;
  }
  void give_back() { used_.fetch_sub(1, std::memory_order_relaxed); }
  [[nodiscard]] bool is_used_up() const { return used() >= most_; }

  [[nodiscard]] std::uint32_t used() const { return used_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t most() const { return most_; }

 private:
  const std::uint32_t most_;
  std::atomic<std::uint32_t> used_ = 0;
};

}  // namespace gateway
