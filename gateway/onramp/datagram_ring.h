// DatagramRing: UDP datagrams on their way from one shard to another. Pure.
//
// Theory of operation
//
//     tail             head             one thread pushes, one takes; neither waits for the other
//      v                v
//     [ record | record |   free   ]    a record: Head, datagram, padding to 64
//
// head and tail only grow; their place is their remainder. A record lies in one piece, so that what
// is left at the end of the memory may be passed over. What was taken stays where it is, and may be
// written to, until it is released. Where there is no room, push() says so.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/endpoint.h"

namespace gateway {

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): a cache line for each thread
class DatagramRing {
 public:
  static constexpr std::size_t kMostBytes = 65'535;          // of a datagram
  static constexpr std::size_t kLeastCapacity = 128 * 1024;  // the longest fits, wherever head is

  /// `capacity` is a power of two. Its memory is taken as it is used.
  explicit DatagramRing(std::size_t capacity);

  struct Datagram {
    base::Endpoint from;
    base::IpAddress to;
    std::span<std::byte> bytes;  // 16 bytes in front of them may be written, too
  };

  /// The one thread that pushes.
  [[nodiscard]] bool push(const Datagram& datagram);

  /// The other thread: the datagram after those that were taken. Nothing: there is none.
  [[nodiscard]] std::optional<Datagram> take();
  /// Those that were taken are used up.
  void release();

 private:
  struct Head {
    std::uint32_t record_bytes = 0;
    std::uint32_t bytes = 0;  // kPassOver: what follows is the end of the memory
    base::Endpoint from{};
    base::IpAddress to{};
  };
  static constexpr std::size_t kUnit = 64;
  static constexpr std::uint32_t kPassOver = 0xffffffff;

  [[nodiscard]] std::byte* place(std::uint64_t position) const {
    return memory_.get() + (position & (capacity_ - 1));
  }
  [[nodiscard]] std::size_t left_in_one_piece(std::uint64_t position) const {
    return capacity_ - static_cast<std::size_t>(position & (capacity_ - 1));
  }

  std::size_t capacity_;
  std::unique_ptr<std::byte[]> memory_;
  alignas(64) std::atomic<std::uint64_t> head_ = 0;
  std::uint64_t known_tail_ = 0;  // the pusher's
  alignas(64) std::atomic<std::uint64_t> tail_ = 0;
  std::uint64_t taken_ = 0;  // the taker's
};

}  // namespace gateway
