// GueExchange: what the doors of one GUE on-ramp share when there are several shards.
//
// Each shard has a door with a socket of its own on the on-ramp's port. The kernel is told which
// socket a datagram is for (gue_steering.h), as far as that can be said; a door that gets one of a
// tenant that lives elsewhere hands it over here: to a ring for each pair of shards, which drops
// when it is full. So nobody waits, and nothing is locked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "gateway/onramp/datagram_ring.h"

namespace gateway {

class GueExchange {
 public:
  /// Where each tenant that may speak through the on-ramp lives, by its id.
  using Homes = std::unordered_map<std::uint32_t, std::size_t>;

  static base::SysResult<std::shared_ptr<GueExchange>> create(std::size_t shards, Homes homes);

  /// Of a tenant in `homes`. Never changes.
  [[nodiscard]] std::size_t home_of(std::uint32_t tenant) const;
  /// Whether the shard has to do with the tenant, which need not be in `homes`.
  [[nodiscard]] bool is_home(std::size_t shard, std::uint32_t tenant) const;

  [[nodiscard]] std::size_t shard_count() const { return bells_.size(); }

  /// On the thread of shard `from`. False: there is no room, and it is dropped.
  [[nodiscard]] bool hand_over(std::size_t from, std::size_t to,
                               const DatagramRing::Datagram& datagram);
  /// The shard `to` has been handed something. A system call: once for many.
  void wake(std::size_t to) const;

  /// Readable when the shard has been handed something. For its thread, as all that follows.
  [[nodiscard]] const base::Fd& bell(std::size_t shard) const { return bells_[shard]; }
  /// Before taking, so that what comes later rings again.
  void silence(std::size_t shard) const;
  /// Calls `take(datagram)` for at most `most` of what the shard was handed, then `done()`, which
  /// must be finished with them. False: there is more.
  template <class Take, class Done>
  bool take(std::size_t shard, std::size_t most, Take take, Done done) {
    std::size_t count = 0;
    for (std::size_t from = 0; from < bells_.size() && count < most; ++from) {
      while (from != shard && count < most) {
        const auto datagram = ring(from, shard).take();
        if (!datagram) {
          break;
        }
        ++count;
        take(*datagram);
      }
    }
    done();
    for (std::size_t from = 0; from < bells_.size(); ++from) {
      if (from != shard) {
        ring(from, shard).release();
      }
    }
    return count < most;
  }

 private:
  GueExchange(std::vector<base::Fd> bells, Homes homes);
  [[nodiscard]] DatagramRing& ring(std::size_t from, std::size_t to) {
    return *rings_[from * bells_.size() + to];
  }

  std::vector<base::Fd> bells_;                       // eventfds, by shard
  std::vector<std::unique_ptr<DatagramRing>> rings_;  // by sender and receiver; none to oneself
  Homes homes_;
};

}  // namespace gateway
