// Openings: when new flows are opened: at once, as long as that leaves enough time for the others.
//
// Theory of operation
//
// To open a flow, with its dial, costs many times what a packet of a known flow does, and anybody
// can ask for as many as he likes. So opening has a tenth of the thread's time for sure, and a
// third where nobody else wants it:
//
//     first packet --there is time, and none waits--> opened
//          |  |
//          |  +--its tunnel has its part of what may wait--> dropped (Drop::kOverloaded)
//          +--waits (arrivals.h)--> opened at the end of a round of the loop, once there is time
//                                   again, which there is earlier where nobody else had
//                                   anything to do
//
// So a flood of new flows, as well as too many of good will, takes little from transfers that are
// under way. To read them is work like any other: where more come than can be read, even with
// nobody else there, a tenth of the time is all that is left for opening.
//
// Connections that a published port has accepted are not held back, but what they cost is taken
// from the same part. Flows of datagrams that begin outside, at a published port or beside one of a
// tunnel's, do not wait: they are refused while there is no time.
#pragma once

#include <algorithm>

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

   protected:
    ~Owner() = default;
  };

  Openings(EventLoop& loop, Owner& owner) : owner_(owner) { loop.set_background(*this); }
  Openings(const Openings&) = delete;
  Openings& operator=(const Openings&) = delete;

  /// Whether a flow that begins now can be opened at once.
  [[nodiscard]] bool may_open() const;
  /// Its bytes are all that is kept. False: there is no room for it.
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
  // Chosen: beside nobody else, too, for the thread's processor has others to serve, such as the
  // ends of the connections that are under way. Short connections need less for being opened.
  static constexpr int kIdlePart = 3;
  // Chosen: how long those wait who may have come meanwhile.
  static constexpr base::Duration kSlice = std::chrono::microseconds(200);

  // EventLoop::Background
  [[nodiscard]] bool is_waiting() const override { return !arrivals_.empty(); }
  [[nodiscard]] base::Instant sleeps_until() const override {
    return std::min(time_.has_time_from(), idle_time_.has_time_from());
  }
  void on_round(bool is_idle) override;
  // From which one more can be opened, in a round that has taken so much already; null: none.
  TimeShare* share_with_time(bool is_idle, base::Duration taken, base::Instant now);

  Owner& owner_;
  Arrivals arrivals_;
  TimeShare time_{kPart, kBurst};
  TimeShare idle_time_{kIdlePart, kBurst};  // while nobody else wants it
};

}  // namespace gateway
