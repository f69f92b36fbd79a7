#include "gateway/onramp/gue_sender.h"

#include <netinet/in.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace gateway {

using flows::Drop;

namespace {

// Everything that goes with one message; the message points into it.
struct Outgoing {
  static constexpr std::size_t kControlBytes =
      CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(std::uint16_t));

  base::SocketAddress to;
  iovec piece{};
  alignas(cmsghdr) std::array<std::byte, kControlBytes> control;
  std::size_t control_bytes = 0;

  template <class Value>
  void add_control(int level, int type, const Value& value) {
    cmsghdr header{};
    header.cmsg_level = level;
    header.cmsg_type = type;
    header.cmsg_len = CMSG_LEN(sizeof(value));
    std::byte* at = control.data() + control_bytes;
    std::memcpy(at, &header, sizeof(header));
    std::memcpy(at + CMSG_LEN(0), &value, sizeof(value));
    control_bytes += CMSG_SPACE(sizeof(value));
  }

  void set(std::byte* bytes, std::size_t length, const GuePath& path, base::Port port) {
    to = base::SocketAddress({path.peer, port});
    piece = {bytes, length};
    control_bytes = 0;
    if (path.local == base::IpAddress()) {
      return;
    }
    const auto local = path.local.wire_bytes();
    if (path.local.is_v4()) {
      in_pktinfo info{};
      std::memcpy(&info.ipi_spec_dst, local.data(), local.size());
      add_control(IPPROTO_IP, IP_PKTINFO, info);
    } else {
      in6_pktinfo info{};
      std::memcpy(&info.ipi6_addr, local.data(), local.size());
      add_control(IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
  }

  [[nodiscard]] mmsghdr message() {
    return {.msg_hdr = {.msg_name = to.data(),
                        .msg_namelen = to.size(),
                        .msg_iov = &piece,
                        .msg_iovlen = 1,
                        .msg_control = control_bytes == 0 ? nullptr : control.data(),
                        .msg_controllen = control_bytes,
                        .msg_flags = 0},
            .msg_len = 0};
  }
};

Drop reason_of(int error) {
  switch (error) {
    case EMSGSIZE:
      return Drop::kOuterTooBig;
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
      return Drop::kTunnelQueueFull;
    default:
      return Drop::kTunnelWriteFailed;
  }
}

}  // namespace

GueSender::GueSender(const base::Fd& socket, Owner& owner, bool offload)
    : socket_(socket),
      owner_(owner),
      offload_(offload),
      bytes_(std::make_unique_for_overwrite<std::byte[]>(kQueueBytes)) {}

std::span<std::byte> GueSender::room(std::size_t bytes) {
  const bool wants_out = used_ >= kFlushBytes || count_ == kEntries || used_ + bytes > kQueueBytes;
  if (wants_out && !is_blocked_) {
    flush();
  }
  if (count_ == kEntries || used_ + bytes > kQueueBytes) {
    return {};
  }
  return {bytes_.get() + used_, bytes};
}

bool GueSender::joins(const Entry& last, std::size_t bytes, const GuePath& path,
                      base::Port port) const {
  return last.path == &path && last.port == port && path.takes_cuts && offload_ &&
         last.bytes == last.datagrams * last.datagram_bytes && bytes <= last.datagram_bytes &&
         last.datagrams < kMostCuts && last.bytes + bytes <= kMostEntryBytes;
}

void GueSender::commit(std::size_t bytes, GuePath& path, base::Port port) {
  CHECK(bytes > 0 && used_ + bytes <= kQueueBytes && count_ < kEntries);
  if (is_empty() && !is_blocked_) {
    owner_.wants_flush();
  }
  if (is_empty() || !joins(entries_[count_ - 1], bytes, path, port)) {
    entries_[count_++] = {.path = &path,
                          .port = port,
                          .offset = static_cast<std::uint32_t>(used_),
                          .bytes = 0,
                          .datagrams = 0,
                          .datagram_bytes = static_cast<std::uint32_t>(bytes)};
  }
  Entry& entry = entries_[count_ - 1];
  entry.bytes += static_cast<std::uint32_t>(bytes);
  ++entry.datagrams;
  used_ += bytes;
}

void GueSender::flush() {
  is_blocked_ = false;
  while (!is_empty()) {
    const int sent = send_entries();
    if (sent < 0) {
      if (errno != EINTR && !handle_failure(errno)) {
        is_blocked_ = true;
        owner_.wants_room();
        return;
      }
      continue;
    }
    for (int i = 0; i < sent; ++i) {
      pop_first();
    }
  }
}

int GueSender::send_entries() {
  std::array<Outgoing, kBatch> outgoing;
  std::array<mmsghdr, kBatch> messages;
  const std::size_t count = std::min(count_ - first_, kBatch);
  for (std::size_t i = 0; i < count; ++i) {
    const Entry& entry = entries_[first_ + i];
    outgoing[i].set(bytes_.get() + entry.offset, entry.bytes, *entry.path, entry.port);
    if (entry.datagrams > 1) {
      outgoing[i].add_control(IPPROTO_UDP, UDP_SEGMENT,
                              static_cast<std::uint16_t>(entry.datagram_bytes));
    }
    messages[i] = outgoing[i].message();
  }
  return ::sendmmsg(socket_.get(), messages.data(), static_cast<unsigned>(count),
                    MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool GueSender::handle_failure(int error) {
  if (error == EAGAIN) {
    return false;
  }
  const Entry entry = entries_[first_];
  pop_first();
  if (entry.datagrams > 1 && (error == EINVAL || error == EMSGSIZE || error == EIO)) {
    entry.path->takes_cuts = false;
    send_uncut(entry);
  } else {
    owner_.send_failed(*entry.path, reason_of(error), entry.datagrams);
  }
  return true;
}

void GueSender::send_uncut(const Entry& entry) {
  for (std::uint32_t offset = 0; offset < entry.bytes; offset += entry.datagram_bytes) {
    Outgoing datagram;
    datagram.set(bytes_.get() + entry.offset + offset,
                 std::min(entry.datagram_bytes, entry.bytes - offset), *entry.path, entry.port);
    const mmsghdr message = datagram.message();
    if (::sendmsg(socket_.get(), &message.msg_hdr, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
      owner_.send_failed(*entry.path, reason_of(errno), 1);
    }
  }
}

void GueSender::pop_first() {
  ++first_;
  if (is_empty()) {
    first_ = 0;
    count_ = 0;
    used_ = 0;
  }
}

}  // namespace gateway
