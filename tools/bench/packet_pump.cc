#include "tools/bench/packet_pump.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <vector>

#include "flows/coalescer.h"
#include "flows/packet.h"
#include "flows/segmenter.h"
#include "flows/vnet_header.h"

namespace bench {

using base::Fd;

namespace {

constexpr std::size_t kBatch = 64;
constexpr std::size_t kHeaderBytes = sizeof(flows::VnetHeader);
constexpr std::size_t kMostBytes = kHeaderBytes + 65535;

// Datagrams that leave in one system call, and the memory they lie in.
class Outbox {
 public:
  explicit Outbox(const Fd& socket) : socket_(socket), memory_(4 * kMostBytes) {}

  [[nodiscard]] bool has_room_for(std::size_t bytes) const {
    return count_ < kBatch && memory_.size() - used_ >= bytes;
  }
  [[nodiscard]] std::span<std::byte> room() { return std::span(memory_).subspan(used_); }
  // What has been written to the front of room() is a datagram.
  void add(std::size_t bytes) {
    pieces_[count_++] = {room().data(), bytes};
    used_ += bytes;
  }
  [[nodiscard]] bool is_empty() const { return count_ == 0; }

  void send() {
    std::array<mmsghdr, kBatch> messages{};
    for (std::size_t i = 0; i < count_; ++i) {
      messages[i].msg_hdr.msg_iov = &pieces_[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    for (std::size_t sent = 0; sent < count_;) {
      const int more = ::sendmmsg(socket_.get(), messages.data() + sent,
                                  static_cast<unsigned>(count_ - sent), MSG_NOSIGNAL);
      if (more <= 0) {
        break;
      }
      sent += static_cast<std::size_t>(more);
    }
    count_ = 0;
    used_ = 0;
  }

 private:
  const Fd& socket_;
  std::vector<std::byte> memory_;
  std::size_t used_ = 0;
  std::array<iovec, kBatch> pieces_{};
  std::size_t count_ = 0;
};

void cut_into(Outbox& outbox, std::span<const std::byte> bytes, const flows::VnetHeader& vnet) {
  const auto packet = flows::parse(bytes, vnet.verified());
  if (!packet) {
    return;
  }
  const std::size_t longest = flows::longest_segment_bytes(*packet, vnet);
  flows::Segmenter segmenter(bytes, *packet, vnet);
  for (std::size_t i = 0; i < segmenter.count(); ++i) {
    if (!outbox.has_room_for(longest)) {
      outbox.send();
    }
    outbox.add(segmenter.next(outbox.room()).value_or(0));
  }
}

void take_up(const Pumped& ends, Outbox& outbox, std::span<std::byte> buffer) {
  while (true) {
    if (!outbox.has_room_for(kMostBytes)) {
      outbox.send();
    }
    const auto room = ends.offload ? outbox.room() : buffer;
    const ssize_t size = ::read(ends.tun.get(), room.data(), kMostBytes);
    if (size < static_cast<ssize_t>(kHeaderBytes)) {
      return;
    }
    const auto bytes = static_cast<std::size_t>(size);
    if (ends.offload) {
      outbox.add(bytes);
      continue;
    }
    flows::VnetHeader vnet;
    std::memcpy(&vnet, room.data(), kHeaderBytes);
    cut_into(outbox, room.first(bytes).subspan(kHeaderBytes), vnet);
  }
}

// Datagrams that come in one system call.
class Inbox {
 public:
  explicit Inbox(std::size_t most_bytes) : stride_(most_bytes), memory_(kBatch * most_bytes) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      pieces_[i] = {memory_.data() + i * stride_, stride_};
      messages_[i].msg_hdr.msg_iov = &pieces_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  // How many have come, after waiting for the first; 0 at the end.
  std::size_t receive(const Fd& socket) {
    const int got = ::recvmmsg(socket.get(), messages_.data(), kBatch, MSG_WAITFORONE, nullptr);
    std::size_t count = 0;
    while (static_cast<int>(count) < got && messages_[count].msg_len > 0) {
      ++count;
    }
    return count;
  }
  [[nodiscard]] std::span<std::byte> operator[](std::size_t index) {
    return std::span(memory_).subspan(index * stride_, messages_[index].msg_len);
  }

 private:
  std::size_t stride_;
  std::vector<std::byte> memory_;
  std::array<iovec, kBatch> pieces_{};
  std::array<mmsghdr, kBatch> messages_{};
};

void merge(const Fd& tun, Inbox& inbox, std::size_t count, flows::Coalescer& coalescer) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto packet = flows::parse(inbox[i], flows::VnetHeader{}.verified());
    if (packet) {
      coalescer.add(inbox[i], *packet, {});
    }
  }
  coalescer.flush([&](const flows::Coalescer::Outgoing& outgoing) {
    const auto pieces = outgoing.pieces();
    (void)!::writev(tun.get(), pieces.data(), static_cast<int>(pieces.size()));
  });
}

}  // namespace

void pump_up(const Pumped& ends) {
  Outbox outbox(ends.socket);
  std::vector<std::byte> buffer(kMostBytes);
  pollfd polled{.fd = ends.tun.get(), .events = POLLIN, .revents = 0};
  while (::poll(&polled, 1, -1) > 0 && (polled.revents & POLLIN) != 0) {
    take_up(ends, outbox, buffer);
    if (!outbox.is_empty()) {
      outbox.send();
    }
  }
}

void pump_down(const Pumped& ends) {
  Inbox inbox(ends.offload ? kMostBytes : ends.mtu_bytes);
  flows::Coalescer coalescer;
  while (const std::size_t count = inbox.receive(ends.socket)) {
    if (!ends.offload) {
      merge(ends.tun, inbox, count, coalescer);
      continue;
    }
    for (std::size_t i = 0; i < count; ++i) {
      (void)!::write(ends.tun.get(), inbox[i].data(), inbox[i].size());
    }
  }
}

}  // namespace bench
