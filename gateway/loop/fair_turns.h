// FairTurns: who of those with something to read is served next, so that no tenant slows another.
//
// Theory of operation
//
// Deficit round robin (Shreedhar and Varghese, 1995) over tenants, and plain round robin over the
// sources of each: a tenant with a hundred busy tunnels gets what one with a single tunnel gets.
//
//     active:  tenant A --> tenant B --> tenant C      a round: each gets kQuantum to spend
//                 |            |            |
//              a1, a2, a3      b1        c1, c2        who is not through goes to the end of the
//              line
//
// A service costs what it moved, which is known only afterwards. So a tenant may overdraw, and then
// waits until its quanta have made up for it; with nobody else active it waits for nothing. One
// round is one turn of the event loop, so relays and the sandbox get theirs in between.
//
// Who stands in a line brings its own list node: standing in line allocates nothing.
#pragma once

#include <cstdint>
#include <list>

#include "gateway/loop/event_loop.h"

namespace gateway {

/// Belongs to the loop's thread.
class FairTurns final : private EventLoop::Handler {
 public:
  class Source;

  /// The sources of one tenant that have something to read. Outlives them.
  class Line {
   public:
    Line() : node_{this} {}
    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;

   private:
    friend class FairTurns;
    std::list<Source*> waiting_;
    std::int64_t credit_ = 0;  // in bytes; below zero: overdrawn
    std::list<Line*> node_;    // empty while it is among the active
  };

  class Source {
   public:
    struct Served {
      std::size_t packets = 0;
      std::size_t bytes = 0;
      bool more = false;  // at once; else wants_turn() says when
    };
    Source() : node_{this}, place_(node_.begin()) {}
    virtual ~Source() = default;
    Source(const Source&) = delete;
    Source& operator=(const Source&) = delete;

    /// Reads one batch. May destroy the source.
    virtual Served serve() = 0;

   private:
    friend class FairTurns;
    std::list<Source*> node_;  // empty while it waits
    std::list<Source*>::iterator place_;
    Line* line_ = nullptr;  // that it waits in
  };

  explicit FairTurns(EventLoop& loop) : loop_(loop) {}
  ~FairTurns() { loop_.unwatch({}, *this); }
  FairTurns(const FairTurns&) = delete;
  FairTurns& operator=(const FairTurns&) = delete;

  /// `source` has something to read, and will be served, soon. Asking twice is asking once.
  void wants_turn(Source& source, Line& line);
  /// Before `source` goes.
  void forget(Source& source);

 private:
  // Chosen: a batch of MTU-sized packets. A packet costs what copying 2 KiB costs, besides its
  // bytes: an empty datagram is not free.
  static constexpr std::int64_t kQuantum = 256 * 1024;
  static constexpr std::int64_t kPacketCost = 2048;

  void on_ready(std::uint32_t events) override;
  void serve(Line& line);
  static void enter(Source& source, Line& line);
  static void leave(Source& source);

  EventLoop& loop_;
  std::list<Line*> active_;
  Source* serving_ = nullptr;  // null again when it goes meanwhile
};

}  // namespace gateway
