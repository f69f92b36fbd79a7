// SocketPool: TCP sockets of the sandbox, made ahead of the connections that will need them.
//
// Theory of operation
//
// A socket belongs to the namespace that it was made in, so those of downgraded connections are
// made by the sandbox's helper. Asking for one at a time would cost each connection a round trip to
// another process; here they are ordered by the batch, and the answer arrives through the event
// loop like everything else:
//
//     take() --below kLow--> order --> helper --> control() readable --> stock, up to kFull
//
// A burst may empty the pool before the answer comes. Then take() gives nothing, remembers how many
// more are wanted, and the owner is told when they have arrived, or when the helper could not make
// them: only then is a connection refused. A pool that nobody has used orders nothing.
//
// The sandbox's end empties the pool (its sockets lead nowhere any more) and answers every order.
// tests/gateway/downgrade/socket_pool_test.cc states the same.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "gateway/loop/event_loop.h"
#include "netns/sandbox.h"

namespace gateway {

/// Belongs to the loop's thread.
class SocketPool final : private EventLoop::Handler {
 public:
  // Chosen: a burst that costs nobody a wait, and few enough descriptors to keep for it.
  static constexpr std::size_t kFull = 64;  // of each family
  static constexpr std::size_t kLow = 32;

  class Owner {
   public:
    /// An order of this family has been answered; `failed`: with nothing.
    virtual void sockets_arrived(bool v4, bool failed) = 0;

   protected:
    ~Owner() = default;
  };

  /// Both outlive the pool.
  SocketPool(EventLoop& loop, Owner& owner) : loop_(loop), owner_(owner) {}
  ~SocketPool() { uninstall(); }

  /// From now on of this sandbox, which stays where it is until uninstall().
  base::SysResult<void> install(netns::Sandbox& sandbox);
  /// Closes every socket. Orders under way fail, without the owner being told.
  void uninstall();

  /// Stocks the pool before the first take(), now or when there is a sandbox.
  void keep_filled();

  /// A TCP socket, non-blocking, neither bound nor connected. Not open when there is none now: the
  /// owner will be told of some, if is_filling().
  base::Fd take(bool v4);
  [[nodiscard]] bool is_filling(bool v4) const { return shelf(v4).ordered; }
  [[nodiscard]] std::size_t size() const {
    return shelves_[0].stock.size() + shelves_[1].stock.size();
  }

 private:
  struct Shelf {
    std::vector<base::Fd> stock;
    std::size_t missed = 0;  // take() found nothing, since the last order
    bool ordered = false;
  };

  Shelf& shelf(bool v4) { return shelves_[v4 ? 0 : 1]; }
  [[nodiscard]] const Shelf& shelf(bool v4) const { return shelves_[v4 ? 0 : 1]; }
  void on_ready(std::uint32_t events) override;
  void order(bool v4);
  void answered(base::SysResult<std::vector<base::Fd>> delivery);
  void give_up();

  EventLoop& loop_;
  Owner& owner_;
  netns::Sandbox* sandbox_ = nullptr;  // none: no order can be made
  std::array<Shelf, 2> shelves_;
  std::deque<bool> orders_;  // the families, the oldest first: answers come in that order
  bool wanted_ = false;      // somebody uses the pool
};

}  // namespace gateway
