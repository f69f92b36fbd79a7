// GueSender: the way out of a GUE on-ramp: datagrams are queued, and sent many at a time.
//
// Theory of operation
//
// A datagram is written where it will be sent from: room() gives the place, commit() queues it.
// Datagrams that follow each other to one peer, all as long as the first but for the last, which
// may be shorter, are one entry: the kernel cuts it (UDP_SEGMENT). So a super-segment costs one
// pass through the kernel's UDP, and so does a burst of full packets. The queue is sent when the
// wake-up ends (the owner is asked for a turn), or when a good deal has gathered. While the socket
// takes nothing the queue waits, and when it is full what comes is dropped.
//
// Where the kernel refuses to cut for a peer (its path takes less, or the device cannot sum), that
// peer gets its datagrams one by one from then on.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/endpoint.h"
#include "base/fd.h"
#include "flows/drop.h"
#include "gateway/onramp/tunnel.h"

namespace gateway {

/// To one peer. Outlives what is queued for it.
struct GuePath {
  Tunnel& tunnel;  // whose packets they are
  base::IpAddress peer;
  base::IpAddress local;   // to send from; unspecified: the kernel chooses
  bool takes_cuts = true;  // UDP_SEGMENT
};

/// Belongs to the shard's thread.
class GueSender {
 public:
  class Owner {
   public:
    /// Something is queued: flush() is wanted, soon.
    virtual void wants_flush() = 0;
    /// The socket takes nothing: flush() is wanted when it does.
    virtual void wants_room() = 0;
    virtual void send_failed(const GuePath& path, flows::Drop reason, std::size_t datagrams) = 0;

   protected:
    ~Owner() = default;
  };

  /// Both outlive the sender. Without `offload` the kernel is never asked to cut.
  GueSender(const base::Fd& socket, Owner& owner, bool offload = true);

  /// Room for one datagram of at most `bytes`; empty when the queue is full.
  std::span<std::byte> room(std::size_t bytes);
  /// The first `bytes` of the room go to `port` at the peer.
  void commit(std::size_t bytes, GuePath& path, base::Port port);

  /// Sends what the socket takes.
  void flush();
  [[nodiscard]] bool is_empty() const { return first_ == count_; }

 private:
  static constexpr std::size_t kEntries = 256;
  static constexpr std::size_t kQueueBytes = 1 << 20;    // chosen: as for a SEQPACKET tunnel
  static constexpr std::size_t kFlushBytes = 128 << 10;  // chosen: still in the cache
  static constexpr std::size_t kBatch = 64;              // entries to a sendmmsg(2)
  // linux/udp.h before 6.9; and one IPv4 packet with its headers.
  static constexpr std::size_t kMostCuts = 64;
  static constexpr std::size_t kMostEntryBytes = 65'535 - 20 - 8;

  struct Entry {
    GuePath* path = nullptr;
    base::Port port{};
    std::uint32_t offset = 0;
    std::uint32_t bytes = 0;
    std::uint32_t datagrams = 0;
    std::uint32_t datagram_bytes = 0;  // of all but the last
  };

  [[nodiscard]] bool joins(const Entry& last, std::size_t bytes, const GuePath& path,
                           base::Port port) const;
  // Sends entries from first_ on; how many went, or -1 and errno.
  int send_entries();
  // The first entry, whose sending failed with `error`. False when it must wait.
  bool handle_failure(int error);
  void send_uncut(const Entry& entry);
  void pop_first();

  const base::Fd& socket_;
  Owner& owner_;
  bool offload_;
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t used_ = 0;  // of bytes_, from the front
  std::array<Entry, kEntries> entries_{};
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  bool is_blocked_ = false;
};

}  // namespace gateway
