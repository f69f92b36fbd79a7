// FlowQuota: how many flows the shards may have together (`flows.max`).
//
// Each tenant has an equal share of them, and who has as much as that leaves a sixteenth of the
// whole to those that have less: whatever one tenant does, another one's first flows find a place.
//
// The only word that shards share. It is touched when a flow begins and when it ends, never for a
// packet.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace gateway {

/// Any thread.
class FlowQuota {
 public:
  explicit FlowQuota(std::uint32_t most, std::size_t tenants = 1)
      : most_(most), share_(most / static_cast<std::uint32_t>(std::max<std::size_t>(tenants, 1))) {}

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
  /// Whether a tenant that has `flows` may have another.
  [[nodiscard]] bool has_room_for(std::uint32_t flows) const {
    return used() < (flows < share_ ? most_ : most_ - most_ / kKeptFor);
  }
  /// What each tenant may have, whatever the others do.
  [[nodiscard]] std::uint32_t share() const { return share_; }

  [[nodiscard]] std::uint32_t used() const { return used_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t most() const { return most_; }

 private:
  static constexpr std::uint32_t kKeptFor = 16;  // chosen

  const std::uint32_t most_;
  const std::uint32_t share_;
  std::atomic<std::uint32_t> used_ = 0;
};

}  // namespace gateway
