// Openings: when new flows are opened: at once, as long as that leaves enough time for the others.
//
// Theory of operation
//
// To open a flow, with its dial, costs thirty times what a packet of a known flow does, and anybody
// can ask for as many as he likes. So opening has a part of the thread's time for sure, and beyond
// it only the time that nobody else wants:
//
//     first packet --there is time--> opened
//          |  |
//          |  +--its tunnel has its part of what may wait--> dropped (Drop::kOverloaded)
//          +--waits (arrivals.h)--> opened at the end of a round of the loop, once there is time
//                                   again, or nobody else had anything to do in it
//
// So a flood of new flows, as well as too many of good will, takes little from transfers that are
// under way; and where there are only new flows, all the time is theirs.
#pragma once

#include "gateway/loop/event_loop.h"
#include "gateway/opening/arrivals.h"
#include "gateway/opening/time_share.h"

namespace gateway {

/// Belongs to the shard's thread.
class Openings final : private EventLoop::Background {
 public:
  class Owner {
   public:
    /// There is time for it now.
    virtual void open_waiting(const Arrivals::Arrival& arrival) = 0;
    /// Some have been opened.
    virtual void opened_waiting() = 0;

   protected:
    ~Owner() = default;
  };

  Openings(EventLoop& loop, Owner& owner) : owner_(owner) { loop.set_background(*this); }
  Openings(const Openings&) = delete;
  Openings& operator=(const Openings&) = delete;

  /// Whether a flow that begins now can be opened at once.
  [[nodiscard]] bool may_open(const Tunnel& tunnel) const;
  /// False: there is no room for it.
  bool wait(Tunnel& tunnel, const RawPacket& packet) { return arrivals_.add(tunnel, packet); }
  /// `tunnel` goes. The number of packets that are gone with it.
  std::uint32_t forget(Tunnel& tunnel) { return arrivals_.forget(tunnel); }

  /// What opening costs is taken from here, wherever it is done.
  [[nodiscard]] TimeShare& time() { return time_; }

 private:
  // Chosen: with what follows it in the kernel, opening then takes about a fifth of a busy thread.
  static constexpr int kPart = 10;
  // Chosen: some hundred flows, as a page of a browser or a build begins them.
  static constexpr base::Duration kBurst = std::chrono::milliseconds(5);
  // Chosen: how long those wait who may have come meanwhile.
  static constexpr base::Duration kSlice = std::chrono::microseconds(200);

  // EventLoop::Background
  [[nodiscard]] bool is_waiting() const override { return !arrivals_.empty(); }
  void on_round(bool is_idle) override;

  Owner& owner_;
  Arrivals arrivals_;
  TimeShare time_{kPart, kBurst};
};

}  // namespace gateway
