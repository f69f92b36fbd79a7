#include "gateway/onramp/seqpacket_tunnel.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "flows/segmenter.h"

namespace gateway {

using flows::Drop;

namespace {

constexpr std::uint32_t kReading = EPOLLIN | EPOLLRDHUP;

iovec as_iovec(std::span<const std::byte> bytes) {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};  // sendmmsg only reads
}

// Messages that will never come: nothing is queued, and the peer has gone. A datagram of 0 bytes
// and the end of the connection look the same to recv(2).
bool is_at_end(const base::Fd& socket) {
  int queued = 0;
  return ::ioctl(socket.get(), SIOCINQ, &queued) != 0 || queued == 0;
}

}  // namespace

SeqpacketTunnel::SeqpacketTunnel(TunnelInfo info, Tenant& tenant, base::Fd socket, EventLoop& loop,
                                 FairTurns& turns, PacketArena& arena, Sink& sink,
                                 std::string reply)
    : Tunnel(std::move(info), tenant),
      socket_(std::move(socket)),
      reply_(std::move(reply)),
      loop_(loop),
      turns_(turns),
      arena_(arena),
      sink_(sink) {
  // The limit of a unix connection is the sender's buffer. Asking for more than net.core.wmem_max
  // gives wmem_max, which is no error.
  const int bytes = 4 << 20;
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

SeqpacketTunnel::~SeqpacketTunnel() {
  turns_.forget(*this);
  loop_.unwatch(socket_, *this);
  drop(Drop::kTunnelWriteFailed, queue_.size());  // the peer left, or is asked to, without them
  // A socket that is closed with packets unread shows its peer ECONNRESET (unix_release_sock() in
  // net/unix/af_unix.c), and who gives up at that has not read our last RSTs.
  ::shutdown(socket_.get(), SHUT_RD);
  std::byte first;
  while (::recv(socket_.get(), &first, sizeof(first), MSG_DONTWAIT) > 0) {
  }
}

base::SysResult<void> SeqpacketTunnel::start() {
  if (!reply_.empty()) {
    (void)::send(socket_.get(), reply_.data(), reply_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  return loop_.watch(socket_, kReading, *this);
}

void SeqpacketTunnel::on_ready(std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) {
    drain_queue();
  }
  if ((events & ~std::uint32_t{EPOLLOUT}) != 0) {
    hung_up_ = hung_up_ || (events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR)) != 0;
    turns_.wants_turn(*this, tenant().turns);
  }
}

FairTurns::Source::Served SeqpacketTunnel::serve() {
  const std::size_t header_bytes = info().offload ? sizeof(flows::VnetHeader) : 0;
  const std::size_t max_bytes = info().offload ? PacketArena::kMaxPacketBytes : info().mtu_bytes;
  std::array<iovec, PacketArena::kBatch> pieces;
  std::array<mmsghdr, PacketArena::kBatch> messages;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto slot = arena_.slot(i, max_bytes);
    pieces[i] = {slot.data() - header_bytes, slot.size() + header_bytes};
    messages[i] = {};
    messages[i].msg_hdr.msg_iov = &pieces[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const int got =
      ::recvmmsg(socket_.get(), messages.data(), messages.size(), MSG_DONTWAIT, nullptr);
  if (got < 0) {
    if (errno != EAGAIN && errno != EINTR) {  // ECONNRESET: the peer left with our packets unread
      sink_.tunnel_closed(*this);
    }
    return {};
  }
  Served served;
  served.more = static_cast<std::size_t>(got) == messages.size();
  std::array<RawPacket, PacketArena::kBatch> packets;
  std::size_t count = 0;
  bool at_end = false;
  for (std::size_t i = 0; i < static_cast<std::size_t>(got) && !at_end; ++i) {
    const std::size_t bytes = messages[i].msg_len;
    ++served.packets;
    served.bytes += bytes;
    if (bytes == 0 && hung_up_ && is_at_end(socket_)) {
      at_end = true;
    } else if ((messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0 ||
               bytes > max_bytes + header_bytes) {
      drop(Drop::kTooBig);
    } else if (bytes < header_bytes) {
      drop(bytes == 0 ? Drop::kEmpty : Drop::kBadVnetHeader);
    } else {
      RawPacket& packet = packets[count++];
      packet.vnet = {};
      std::memcpy(&packet.vnet, pieces[i].iov_base, header_bytes);
      packet.bytes = arena_.slot(i, max_bytes).first(bytes - header_bytes);
    }
  }
  if (count > 0) {
    sink_.packets_from(*this, std::span(packets).first(count));
  }
  if (at_end) {
    sink_.tunnel_closed(*this);
  }
  return served;
}

flows::WireCount SeqpacketTunnel::drop(Drop reason, std::size_t packets) {
  for (; packets > 0; --packets) {
    sink_.dropped(*this, reason);
  }
  return {};
}

flows::WireCount SeqpacketTunnel::send(const RawPacket& packet, const flows::Packet& parsed) {
  if (info().offload) {
    const std::array datagram{packet.to_wire()};
    const bool sent = send_datagrams(datagram) == 1;
    return sent ? flows::wire_count(parsed, packet.vnet) : flows::WireCount{};
  }
  if (flows::longest_segment_bytes(parsed, packet.vnet) > info().mtu_bytes) {
    return drop(Drop::kTooBig);
  }
  if (packet.vnet.is_gso()) {
    return send_segments(packet, parsed);
  }
  flows::complete_checksum(packet.bytes, parsed, packet.vnet);
  const std::array<std::span<const std::byte>, 1> datagram{packet.bytes};
  const std::size_t sent = send_datagrams(datagram);
  return {.packets = sent, .bytes = sent * packet.bytes.size()};
}

flows::WireCount SeqpacketTunnel::send_segments(const RawPacket& packet,
                                                const flows::Packet& parsed) {
  // 64 KiB of payload and some headers; a longer batch goes in several.
  thread_local std::array<std::byte, 80 * 1024> scratch;
  std::array<std::span<const std::byte>, PacketArena::kBatch> segments;
  const std::size_t longest = flows::longest_segment_bytes(parsed, packet.vnet);
  flows::Segmenter segmenter(packet.bytes, parsed, packet.vnet);
  flows::WireCount carried;
  for (bool more = true; more;) {
    std::span<std::byte> room = scratch;
    std::size_t count = 0;
    while (count < segments.size() && room.size() >= longest) {
      const auto length = segmenter.next(room);
      if (!length) {
        more = false;
        break;
      }
      segments[count++] = room.first(*length);
      room = room.subspan(*length);
    }
    const std::size_t sent = send_datagrams(std::span(segments).first(count));
    for (const auto& segment : std::span(segments).first(sent)) {
      ++carried.packets;
      carried.bytes += segment.size();
    }
  }
  return carried;
}

std::size_t SeqpacketTunnel::send_datagrams(std::span<const std::span<const std::byte>> datagrams) {
  std::size_t taken = 0;
  if (queue_.empty() && !datagrams.empty()) {
    std::array<iovec, PacketArena::kBatch> pieces;
    std::array<mmsghdr, PacketArena::kBatch> messages;
    for (std::size_t i = 0; i < datagrams.size(); ++i) {
      pieces[i] = as_iovec(datagrams[i]);
      messages[i] = {};
      messages[i].msg_hdr.msg_iov = &pieces[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int sent =
        ::sendmmsg(socket_.get(), messages.data(), static_cast<unsigned>(datagrams.size()),
                   MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != ENOBUFS) {
      drop(Drop::kTunnelWriteFailed, datagrams.size());
      return 0;
    }
    taken = static_cast<std::size_t>(std::max(sent, 0));
  }
  // In order: once one does not fit, none behind it is taken.
  while (taken < datagrams.size() && queue(datagrams[taken])) {
    ++taken;
  }
  drop(Drop::kTunnelQueueFull, datagrams.size() - taken);
  return taken;
}

bool SeqpacketTunnel::queue(std::span<const std::byte> datagram) {
  if (queued_bytes_ + datagram.size() > kQueueBytes) {
    return false;
  }
  if (queue_.empty() && !loop_.rewatch(socket_, kReading | EPOLLOUT, *this)) {
    return false;
  }
  queue_.emplace_back(datagram.begin(), datagram.end());
  queued_bytes_ += datagram.size();
  return true;
}

void SeqpacketTunnel::drain_queue() {
  while (!queue_.empty()) {
    const auto& datagram = queue_.front();
    if (::send(socket_.get(), datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
      if (errno == EAGAIN || errno == ENOBUFS) {
        return;
      }
      drop(Drop::kTunnelWriteFailed);
    }
    queued_bytes_ -= datagram.size();
    queue_.pop_front();
  }
  // Fails only with the connection, and then EPOLLHUP tells.
  (void)loop_.rewatch(socket_, kReading, *this).has_value();
}

}  // namespace gateway
