// GueReceiver: receives batches of UDP datagrams, with what the kernel says about each.
//
// With UDP_GRO one message holds up to 64 KiB of datagrams of one sender, all as long as the first
// but for the last, which may be shorter; the kernel says how long.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>

#include "base/endpoint.h"
#include "base/fd.h"

namespace gateway {

class GueReceiver {
 public:
  static constexpr std::size_t kMessages = 32;  // chosen: per wake-up; each is up to 64 KiB
  // In front of each message: RawPacket's headroom, for a packet that has no header.
  static constexpr std::size_t kLeadBytes = 16;

  struct Message {
    base::Endpoint from;
    base::IpAddress to;  // unspecified unless the socket tells (IP_PKTINFO)
    std::span<std::byte> bytes;
    std::size_t datagram_bytes = 0;  // of each datagram in it; the last may be shorter
  };

  GueReceiver();

  /// Receives what is there, without waiting; returns how many messages. Those of the call before
  /// are gone.
  std::size_t receive(const base::Fd& socket);
  [[nodiscard]] Message message(std::size_t index);

 private:
  static constexpr std::size_t kMaxBytes = 65'535;
  // An odd number of cache lines, as in packet_arena.h.
  static constexpr std::size_t kStride = (((kLeadBytes + kMaxBytes) / 64) | 1) * 64 + 128;
  static constexpr std::size_t kControlBytes = 128;

  struct Control {
    alignas(cmsghdr) std::array<std::byte, kControlBytes> bytes;
  };

  std::unique_ptr<std::byte[]> bytes_;
  std::array<mmsghdr, kMessages> headers_{};
  std::array<iovec, kMessages> pieces_{};
  std::array<base::SocketAddress, kMessages> senders_;
  std::array<Control, kMessages> controls_;
};

}  // namespace gateway
