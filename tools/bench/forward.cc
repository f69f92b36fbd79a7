// Packets from one tunnel to another: through the gateway, and through a bare loop between sockets
// of the same kind, which is as good as one can be.
//
//     sender --SEQPACKET--> gateway | bare loop --SEQPACKET--> receiver, which counts

#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <thread>

#include "flows/datagram.h"
#include "flows/segmenter.h"
#include "tools/bench/loads.h"
#include "tools/bench/onramp_client.h"
#include "tools/bench/sockets.h"

namespace bench {

using base::Fd;

namespace {

constexpr std::size_t kBatch = 64;
constexpr std::size_t kMostBytes = 2048;

// Buffers of one size that go or come in one system call.
class Batch {
 public:
  explicit Batch(std::size_t bytes) : memory_(kBatch * kMostBytes) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      pieces_[i] = {memory_.data() + i * kMostBytes, bytes};
      messages_[i].msg_hdr.msg_iov = &pieces_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }
  [[nodiscard]] std::span<std::byte> operator[](std::size_t i) {
    return {static_cast<std::byte*>(pieces_[i].iov_base), pieces_[i].iov_len};
  }
  // How many have come; 0 at the end, where every message of a batch is empty.
  std::size_t receive(const Fd& from) {
    const int got = ::recvmmsg(from.get(), messages_.data(), kBatch, MSG_WAITFORONE, nullptr);
    std::size_t count = 0;
    while (static_cast<int>(count) < got && messages_[count].msg_len > 0) {
      ++count;
    }
    return count;
  }
  // Whether they have all gone, after waiting for room.
  bool send(const Fd& to, std::size_t count) {
    for (std::size_t sent = 0; sent < count;) {
      const int more = ::sendmmsg(to.get(), messages_.data() + sent,
                                  static_cast<unsigned>(count - sent), MSG_NOSIGNAL);
      if (more <= 0) {
        return false;
      }
      sent += static_cast<std::size_t>(more);
    }
    return true;
  }
  // As long as what receive() has put there.
  void size_as_received(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      pieces_[i].iov_len = messages_[i].msg_len;
    }
  }
  void set_sizes(std::size_t bytes) {
    for (iovec& piece : pieces_) {
      piece.iov_len = bytes;
    }
  }

 private:
  std::vector<std::byte> memory_;
  std::array<iovec, kBatch> pieces_{};
  std::array<mmsghdr, kBatch> messages_{};
};

void write_datagram(std::span<std::byte> packet, const base::Endpoint& from,
                    const base::Endpoint& to) {
  const flows::VnetHeader vnet = flows::write_udp_headers(packet, {.from = from, .to = to});
  flows::complete_checksum(packet, flows::parse(packet, vnet).value(), vnet);
}

// Sends for `length` what lies in `packets`, over and over; prints how many come out.
void measure(Batch& packets, const Fd& in, const Fd& out, std::chrono::seconds length) {
  std::atomic<std::uint64_t> received = 0;
  std::thread receiver([&] {
    Batch batch(kMostBytes);
    while (const std::size_t count = batch.receive(out)) {
      received += count;
    }
  });
  std::atomic<bool> over = false;
  std::uint64_t sent = 0;
  std::thread sender([&] {
    while (!over && packets.send(in, kBatch)) {
      sent += kBatch;
    }
  });
  constexpr auto kWarmUp = std::chrono::milliseconds(200);
  std::this_thread::sleep_for(kWarmUp);
  const std::uint64_t before = received;
  const auto begin = Clock::now();
  std::this_thread::sleep_for(length);
  const std::uint64_t after = received;
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  over = true;
  sender.join();
  ::shutdown(out.get(), SHUT_RD);  // ends the receiver
  receiver.join();
  std::printf("{\"per_second\":%.1f,\"packets\":%llu,\"sent\":%llu}\n",
              static_cast<double>(after - before) / seconds,
              static_cast<unsigned long long>(received), static_cast<unsigned long long>(sent));
}

Batch datagrams(std::size_t bytes, const TunnelContext& from, const TunnelContext& to) {
  constexpr std::uint16_t kFlows = 16;
  Batch packets(bytes);
  for (std::uint16_t i = 0; i < kBatch; ++i) {
    const base::Port port{static_cast<std::uint16_t>(4000 + i % kFlows)};
    write_datagram(packets[i], {from.v4, port}, {to.v4, port});
  }
  return packets;
}

constexpr auto kMtu = "1500";

}  // namespace

int forward(const Words& words) {
  const TunnelContext from = context_of("11", kMtu, false);
  const TunnelContext to = context_of("12", kMtu, false);
  const Fd in = open_tunnel(words.at(0), from);
  const Fd out = open_tunnel(words.at(0), to);
  Batch packets = datagrams(std::stoul(words.at(1)), from, to);
  measure(packets, in, out, std::chrono::seconds(std::stoi(words.at(2))));
  return 0;
}

int forward_bare(const Words& words) {
  std::array<int, 2> first{};
  std::array<int, 2> second{};
  must(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, first.data()), "socketpair");
  must(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, second.data()), "socketpair");
  Fd in = Fd::adopt(first[0]);
  Fd loop_in = Fd::adopt(first[1]);
  Fd loop_out = Fd::adopt(second[0]);
  const Fd out = Fd::adopt(second[1]);
  widen(in);
  widen(loop_out);
  if (must(::fork(), "fork") == 0) {  // a process of its own, as the gateway is
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    in = Fd{};
    Batch batch(kMostBytes);
    while (const std::size_t count = batch.receive(loop_in)) {
      batch.size_as_received(count);
      batch.send(loop_out, count);
      batch.set_sizes(kMostBytes);
    }
    std::_Exit(0);
  }
  loop_in = Fd{};
  loop_out = Fd{};
  Batch packets = datagrams(std::stoul(words.at(0)), context_of("11", kMtu, false),
                            context_of("12", kMtu, false));
  measure(packets, in, out, std::chrono::seconds(std::stoi(words.at(1))));
  return 0;
}

int idle_forwarded(const Words& words) {
  const TunnelContext from = context_of("13", kMtu, false);
  const TunnelContext to = context_of("14", kMtu, false);
  const Fd in = open_tunnel(words.at(0), from);
  const Fd out = open_tunnel(words.at(0), to);
  const unsigned count = static_cast<unsigned>(std::stoul(words.at(1)));
  constexpr std::size_t kBytes = 64;
  Batch packet(kBytes);
  Batch arrived(kMostBytes);
  unsigned there = 0;
  for (unsigned i = 0; i < count; ++i) {
    const base::Port port{static_cast<std::uint16_t>(1024 + i)};
    write_datagram(packet[0], {from.v4, port}, {to.v4, port});
    packet.send(in, 1);
    there += arrived.receive(out) > 0 ? 1U : 0U;
  }
  std::printf("{\"flows\":%u}\n", there);
  std::fflush(stdout);
  (void)std::getchar();  // until nobody wants them any more
  return 0;
}

}  // namespace bench
