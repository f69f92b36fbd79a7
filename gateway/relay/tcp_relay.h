// TcpRelay: moves bytes between a client's and an upstream's TCP socket, and ends the one as the
// other ended.
//
// Theory of operation
//
//     client <--Pump up--> upstream, client <--Pump down--> upstream; both edge-triggered
//
//     open --FIN one way--> half closed --FIN the other way--> ended(kClosed)
//     open, half closed --RST from X--> resetting --X's last bytes delivered--> ended(kResetBy X)
//
// A FIN is passed on by shutdown(2) when everything before it has been delivered; the other
// direction goes on. An RST is passed on as an RST (SO_LINGER 0), but not before what its sender
// had sent ahead of it is out: on a direct path those segments would have arrived, too. That wait
// is bounded (kResetPatience), since a receiver may never open its window again.
//
// A relay that something bounds (bandwidth/bandwidth.h) moves a share at a time and stops reading
// in between, so that TCP slows the sender: nothing is lost. What a reset waits for is paced as
// well.
//
// EPOLLHUP alone says nothing: sockets are read to EOF or error before anything is concluded.
// tests/gateway/tcp_relay_test.cc states these as tests.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/error.h"
#include "base/fd.h"
#include "base/time.h"
#include "flows/tcp_phase.h"
#include "gateway/bandwidth/bandwidth.h"
#include "gateway/loop/event_loop.h"
#include "gateway/relay/pump.h"

namespace gateway {

/// Belongs to the loop's thread. Neither moved nor copied: epoll knows its address.
class TcpRelay {
 public:
  enum class Outcome : std::uint8_t {
    kClosed,         // FIN both ways
    kResetByClient,  // RST, or the network gave the client up
    kResetByUpstream,
    kTimedOut,  // a side did not answer keepalives or retransmissions
  };

  class Owner {
   public:
    /// The relay moves nothing more and may be destroyed here. Its sockets are still open, so that
    /// TCP_INFO can be read; destroying it closes them the way `outcome` asks for.
    virtual void relay_ended(TcpRelay& relay, Outcome outcome) = 0;
    /// A reset waits for bytes on their way out: call settle() every tick from now on.
    virtual void relay_lingers(TcpRelay& relay) = 0;

   protected:
    ~Owner() = default;
  };

  /// Both sockets are connected, non-blocking, and have set_relay_options(). All three references
  /// outlive the relay.
  TcpRelay(EventLoop& loop, PipePool& pipes, base::Fd client, base::Fd upstream, Owner& owner);
  /// Ends both connections with RST, unless the relay has ended as kClosed.
  ~TcpRelay();

  /// Is shown what passes; see Pump::Watcher. Before start().
  class Watcher {
   public:
    virtual bool passes(flows::Side sender, std::uint64_t offset,
                        std::span<const std::byte> bytes) = 0;

   protected:
    ~Watcher() = default;
  };
  void watch(Watcher& watcher);

  /// From now on, and in place of what bounded it before; `pacer` gives the turns. Both outlive the
  /// relay, or the next call.
  void set_bounds(const Bounds& bounds, Pacer& pacer);

  /// Starts watching. Fails as epoll_ctl(2) does; the relay is then to be destroyed.
  base::SysResult<void> start();

  /// Tries again to end a reset that was waiting; see Owner::relay_lingers. True when it ended: the
  /// owner has been told, and the relay may be gone.
  bool settle(base::Instant now);

  /// If it is destroyed before its end, and the client's FIN has been passed on, the upstream is
  /// not reset: the kernel goes on sending.
  void let_upstream_read_on() { lets_upstream_read_on_ = true; }

  /// All that the client has sent, and its FIN, is the upstream's kernel's or on the way there.
  [[nodiscard]] bool is_client_done() const { return pumps_[kClient].is_done(); }
  [[nodiscard]] bool is_resetting() const { return resetting_; }
  [[nodiscard]] const base::Fd& client() const { return ends_[kClient].fd; }
  [[nodiscard]] const base::Fd& upstream() const { return ends_[kUpstream].fd; }
  [[nodiscard]] std::uint64_t up_bytes() const { return pumps_[kClient].moved_bytes(); }
  [[nodiscard]] std::uint64_t down_bytes() const { return pumps_[kUpstream].moved_bytes(); }

 private:
  static constexpr base::Duration kResetPatience = std::chrono::seconds(5);  // chosen
  static constexpr std::size_t kClient = 0;
  static constexpr std::size_t kUpstream = 1;

  struct End final : EventLoop::Handler {
    void on_ready(std::uint32_t events) override { relay->on_end_ready(*this, events); }

    TcpRelay* relay = nullptr;
    base::Fd fd;
    bool hung_up = false;
  };

  struct Watch final : Pump::Watcher {
    bool passes(const Pump& pump, std::span<const std::byte> bytes) override;

    TcpRelay* relay = nullptr;
    TcpRelay::Watcher* watcher = nullptr;
  };

  // Of a relay that something bounds.
  struct Pace {
    struct Direction final : PacedDirection {
      void take_turn() override { relay->take_turn(end); }

      TcpRelay* relay = nullptr;
      std::size_t end = 0;  // that is read from
    };

    Bounds bounds;
    Pacer& pacer;
    std::array<Direction, 2> directions{};
  };

  static std::size_t other(std::size_t end) { return 1 - end; }
  void on_end_ready(End& end, std::uint32_t events);
  // Runs the pump that reads from `end`. False when the relay has ended: touch nothing then.
  bool pump_from(std::size_t end);
  // Whether that pump may run now; else it will be given a turn.
  bool may_pump_from(std::size_t end);
  Pump::Step run_pump(std::size_t end, bool hung_up);
  // It has more to read.
  void go_on(std::size_t end);
  void take_turn(std::size_t end);
  bool judge(std::size_t from, Pump::Step step);
  void begin_reset(std::size_t by, int error);
  bool end_with(Outcome outcome);

  EventLoop& loop_;
  PipePool& pipes_;
  Owner& owner_;
  std::array<End, 2> ends_;
  std::array<Pump, 2> pumps_;  // by the end that they read from
  Watch watch_;
  std::unique_ptr<Pace> pace_;  // null: nothing bounds it
  base::Instant reset_deadline_ = base::Instant::max();
  std::uint8_t reset_by_ = 0;  // the end, while resetting_
  bool resetting_ = false;
  bool timed_out_ = false;
  bool abort_ = true;
  bool lets_upstream_read_on_ = false;
};

}  // namespace gateway
