// DatagramBatch: a batch of datagrams from one UDP socket, received as the payloads of IP packets
// that are still to get their headers.
//
// They lie in the slots of the shard's arena, behind room for those headers, so that nothing is
// moved. Its arrays stay from one recvmmsg(2) to the next, so that they need not be cleared.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <optional>
#include <span>

#include "base/endpoint.h"
#include "base/fd.h"
#include "flows/ip_header.h"
#include "gateway/onramp/packet_arena.h"

namespace gateway {

class DatagramBatch {
 public:
  // Chosen: datagrams per turn of one socket. Slots are those of the arena, a little longer.
  static constexpr std::size_t kMost = PacketArena::kBatch / 2;
  static constexpr std::size_t kMaxPacketBytes = flows::kIpv6HeaderBytes + 65535;

  /// One in_pktinfo or in6_pktinfo.
  struct alignas(cmsghdr) Control {
    std::array<std::byte, 64> bytes{};
  };

  explicit DatagramBatch(PacketArena& arena) : arena_(arena) {}

  /// How many there were, each with `lead` bytes left in front of it. 0 also when it failed: with
  /// an error that was queued, or for want of datagrams; epoll will tell.
  std::size_t receive(const base::Fd& socket, std::size_t lead);

  /// Who sent it; nothing: no address that we know.
  [[nodiscard]] std::optional<base::Endpoint> remote(std::size_t index) const {
    return remotes_[index].endpoint();
  }
  /// `lead` and the payload. Valid until the next receive() into the arena. May be a byte longer
  /// than kMaxPacketBytes: then it was cut.
  [[nodiscard]] std::span<std::byte> packet(std::size_t index) {
    return arena_.slot(index, kMaxPacketBytes).first(lead_ + messages_[index].msg_len);
  }
  /// Its control messages are what the socket was asked for.
  [[nodiscard]] msghdr& header(std::size_t index) { return messages_[index].msg_hdr; }

 private:
  PacketArena& arena_;
  std::size_t lead_ = 0;
  std::array<base::SocketAddress, kMost> remotes_;
  std::array<Control, kMost> controls_;
  std::array<iovec, kMost> pieces_{};
  std::array<mmsghdr, kMost> messages_{};
};

}  // namespace gateway
