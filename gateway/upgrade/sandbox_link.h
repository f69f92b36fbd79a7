// SandboxLink: the shard's end of its sandbox: packets in and out of the TUN, accepted connections,
// sockets that were made inside, and the helper's death.
//
// Theory of operation
//
// Packets for the sandbox are collected during a batch and written at its end, coalesced: the
// kernel inside is called once per many segments. A kernel that refuses a super-segment (some
// releases refused valid headers) gets its packets one by one, and none after that.
//
// When the helper dies, the TUN and every socket still work: a namespace lives as long as what was
// made in it. But no socket could be made there any more, so the owner resets its flows, which goes
// out through the old TUN (drain()), and installs a new sandbox.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "base/endpoint.h"
#include "base/error.h"
#include "base/fd.h"
#include "flows/coalescer.h"
#include "flows/packet.h"
#include "gateway/config/settings.h"
#include "gateway/downgrade/socket_pool.h"
#include "gateway/loop/acceptor.h"
#include "gateway/loop/event_loop.h"
#include "gateway/onramp/packet_arena.h"
#include "netns/sandbox.h"

namespace gateway {

/// Belongs to the shard's thread.
class SandboxLink {
 public:
  class Owner : public SocketPool::Owner {
   public:
    /// Packets that the kernel inside has sent; gone after the call.
    virtual void packets_from_sandbox(std::span<RawPacket> packets) = 0;
    /// A connection was accepted inside, non-blocking; `peer` is its binding.
    virtual void accepted(base::Fd socket, const base::Endpoint& peer) = 0;
    /// A connection was accepted only to be reset, for want of descriptors.
    virtual void refused(const base::Endpoint& peer) = 0;
    virtual void sandbox_lost() = 0;
    /// The kernel refused `packets` packets, or there is no sandbox.
    virtual void sandbox_write_failed(std::size_t packets) = 0;

   protected:
    ~Owner() = default;
  };

  /// `coalescing`: segments may be written as one super-segment.
  SandboxLink(EventLoop& loop, PacketArena& arena, bool coalescing, Owner& owner);
  ~SandboxLink();
  SandboxLink(const SandboxLink&) = delete;
  SandboxLink& operator=(const SandboxLink&) = delete;

  /// Makes a sandbox for install(). Any thread; blocks for some ten milliseconds. With tun_offload
  /// its TUN gives super-segments without checksums.
  static base::SysResult<netns::Sandbox> make(const IoSettings& io, Confine confine);
  base::SysResult<void> install(netns::Sandbox sandbox);
  /// Gives the sandbox up: everything of it is closed.
  void uninstall();
  [[nodiscard]] bool is_up() const { return sandbox_.has_value(); }
  [[nodiscard]] SocketPool& pool() { return pool_; }
  [[nodiscard]] const SocketPool& pool() const { return pool_; }

  /// Takes a packet for the kernel inside; written by flush() at the latest. `packet.bytes` stay as
  /// they are until then.
  void write(const RawPacket& packet, const flows::Packet& parsed);
  void flush();
  /// The same for one packet outside of a batch.
  void write_now(const RawPacket& packet);

  /// Writes what waits, and accepts who is connected then: after that, what has come in so far is
  /// what the sockets know.
  void catch_up();

  /// Accepts nobody any more. The kernel inside resets those who were waiting.
  void close_listeners();

  /// Handles what the kernel inside has sent, until there is nothing more.
  void drain();

  [[nodiscard]] pid_t helper_pid() const { return sandbox_ ? sandbox_->pid() : 0; }

 private:
  // One handler for each descriptor, so that epoll's pointer says which.
  struct TunReady final : EventLoop::Handler {
    void on_ready(std::uint32_t /*events*/) override { link->read_turn(); }
    SandboxLink* link = nullptr;
  };
  struct ListenerReady final : EventLoop::Handler {
    void on_ready(std::uint32_t /*events*/) override { link->accept_all(*listener); }
    SandboxLink* link = nullptr;
    const base::Fd* listener = nullptr;
  };
  struct HelperDied final : EventLoop::Handler {
    void on_ready(std::uint32_t /*events*/) override { link->owner_.sandbox_lost(); }
    SandboxLink* link = nullptr;
  };

  bool read_batch();  // true: there may be more
  void read_turn();
  void accept_all(const base::Fd& listener);
  void write_out(const flows::Coalescer::Outgoing& outgoing);

  EventLoop& loop_;
  PacketArena& arena_;
  Owner& owner_;
  std::optional<netns::Sandbox> sandbox_;
  flows::Coalescer coalescer_;
  bool coalescing_;
  TunReady tun_ready_;
  std::array<ListenerReady, 2> listeners_ready_;
  HelperDied helper_died_;
  Acceptor acceptor_;
  SocketPool pool_;
};

}  // namespace gateway
