// Bandwidth: a bound on the bytes of the flows that share it, and those of them that wait for it.
//
// Theory of operation
//
// A bound is a bucket that fills at its rate, and may be overdrawn by the one that is being served
// (flows/byte_bucket.h). Datagrams that find it empty are dropped. A relay that finds it empty
// stops reading, and stands in the bound's line:
//
//     relay --no credit--> line of the rule, or of the tenant --its turn--> moves one share
//       ^                                                                       |
//       +---------- nothing more to read, or the receiver is slow --------------+
//                                                   (more to read: to the end of the line)
//
// A share costs what it moved, so everybody in a line gets the same, and whoever comes while others
// stand there stands in line, too. Datagrams never wait; all those of a bound together have one
// share for each share that somebody in its line gets, overdrawn if need be, so that neither kind
// starves the other.
//
// A flow has up to two bounds, its rule's and its tenant's, and waits for one of them at a time.
//
// The Pacer gives the turns. One alarm wakes it while anybody waits anywhere. Nothing here
// allocates for a byte, a packet or a turn: who stands in line brings its own list node.
// tests/gateway/bandwidth/pacer_test.cc states these as tests.
#pragma once

#include <cstdint>
#include <list>

#include "base/time.h"
#include "flows/byte_bucket.h"
#include "flows/flow.h"

namespace gateway {

class Bandwidth;
class Pacer;

/// One that may have to wait: a direction of a relay. Belongs to the shard's thread.
class PacedDirection {
 public:
  PacedDirection() : node_{this}, place_(node_.begin()) {}
  virtual ~PacedDirection() { leave_line(); }
  PacedDirection(const PacedDirection&) = delete;
  PacedDirection& operator=(const PacedDirection&) = delete;

  /// May move one share now. May destroy the direction.
  virtual void take_turn() = 0;
  [[nodiscard]] bool is_waiting() const { return waits_for_ != nullptr; }
  void leave_line();

 private:
  friend class Bandwidth;
  friend class Pacer;
  std::list<PacedDirection*> node_;  // empty while it waits
  std::list<PacedDirection*>::iterator place_;
  Bandwidth* waits_for_ = nullptr;
  Pacer* pacer_ = nullptr;  // while it waits
  base::Instant since_{};
};

/// What a bound has done so far.
struct BandwidthCount {
  std::uint64_t bytes = 0;   // let through
  std::uint64_t waits = 0;   // how often a direction of a relay has had to wait
  base::Duration waited{};   // how long, all directions together
  flows::WireCount dropped;  // datagrams and forwarded packets
  std::uint32_t waiting_now = 0;
};

/// Belongs to the shard's thread. Outlives those that wait for it.
class Bandwidth {
 public:
  Bandwidth(std::uint64_t bits_per_second, base::Instant now);
  Bandwidth(const Bandwidth&) = delete;
  Bandwidth& operator=(const Bandwidth&) = delete;

  /// From now on; what it has counted, and who waits, stays.
  void set_rate(std::uint64_t bits_per_second, base::Instant now);

  [[nodiscard]] std::uint64_t bits_per_second() const { return bits_per_second_; }
  [[nodiscard]] BandwidthCount count(base::Instant now) const;

 private:
  friend class Pacer;
  friend struct Bounds;

  [[nodiscard]] bool admits_packets(base::Instant now) const {
    return line_.empty() ? bucket_.has_credit(now) : packet_share_ > 0;
  }

  std::uint64_t bits_per_second_;
  std::uint32_t share_bytes_ = 0;  // of one turn
  flows::ByteBucket bucket_;
  std::list<PacedDirection*> line_;
  std::int64_t packet_share_ = 0;  // what datagrams may still have, while somebody stands in line
  BandwidthCount count_;
  std::list<Bandwidth*> node_;  // empty while it is among the pacer's lines
  std::list<Bandwidth*>::iterator place_;
};

/// The bounds of a flow; null: there is none.
struct Bounds {
  Bandwidth* rule = nullptr;
  Bandwidth* tenant = nullptr;

  [[nodiscard]] bool any() const { return rule != nullptr || tenant != nullptr; }
  /// Whether they may pass, which is counted either way.
  [[nodiscard]] bool admit_packets(const flows::WireCount& wire, base::Instant now) const;
  /// A relay has moved them.
  void take(std::uint64_t bytes, base::Instant now) const;
  /// What a relay may move in one turn. Of bounds of which there are any.
  [[nodiscard]] std::uint32_t share_bytes() const;

  friend bool operator==(const Bounds&, const Bounds&) = default;
};

/// Gives the turns of a shard's bounds. Belongs to its thread.
class Pacer {
 public:
  class Alarm {
   public:
    /// Has serve() called then, or soon where that has passed. A later call takes the place of an
    /// earlier one.
    virtual void ring_at(base::Instant when) = 0;

   protected:
    ~Alarm() = default;
  };

  explicit Pacer(Alarm& alarm) : alarm_(alarm) {}
  Pacer(const Pacer&) = delete;
  Pacer& operator=(const Pacer&) = delete;

  /// Whether `direction` of a flow with these bounds may move a share now; else it waits, and will
  /// be given a turn.
  [[nodiscard]] bool may_go(PacedDirection& direction, const Bounds& bounds, base::Instant now);

  /// Gives turns for as long as there is credit, one to each that waits.
  void serve(base::Instant now);

 private:
  friend class PacedDirection;

  void enter(PacedDirection& direction, Bandwidth& bound, base::Instant now);
  void leave(PacedDirection& direction, base::Instant now);
  void give_turns(Bandwidth& bound, base::Instant now);
  void set_alarm(base::Instant credit, base::Instant now);

  Alarm& alarm_;
  std::list<Bandwidth*> lines_;  // bounds that somebody waits for
  PacedDirection* has_turn_ = nullptr;
  base::Instant last_now_{};
  base::Instant rings_at_ = base::Instant::max();
  bool serving_ = false;
};

}  // namespace gateway
