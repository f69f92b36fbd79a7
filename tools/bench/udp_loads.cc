// UDP: floods that are counted at the other end, and echoes at a rate.

#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <thread>
#include <unordered_map>

#include "tools/bench/loads.h"
#include "tools/bench/sockets.h"
#include "tools/bench/udp_protocol.h"

namespace bench {

using base::Fd;
using Kind = UdpMessage::Kind;

namespace {

constexpr std::size_t kBatch = 64;
constexpr std::size_t kMostBytes = 2048;
constexpr std::size_t kHeaderBytes = 28;  // IPv4 and UDP

// Datagrams that go or come in one system call.
struct Batch {
  Batch() {
    for (std::size_t i = 0; i < kBatch; ++i) {
      messages[i].msg_hdr.msg_iov = &pieces[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      set_size(i, kMostBytes);
    }
  }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;
  void set_size(std::size_t i, std::size_t bytes) { pieces[i] = {buffers[i].data(), bytes}; }
  [[nodiscard]] std::span<char> operator[](std::size_t i) {
    return {buffers[i].data(), messages[i].msg_len};
  }

  std::array<std::array<char, kMostBytes>, kBatch> buffers{};
  std::array<iovec, kBatch> pieces{};
  std::array<mmsghdr, kBatch> messages{};
};

Fd udp_socket(const base::Endpoint& like) {
  const int family = like.address.is_v4() ? AF_INET : AF_INET6;
  Fd socket = Fd::adopt(must(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
  const int bytes = 4 << 20;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
  return socket;
}

Fd connected_udp(const base::Endpoint& to) {
  Fd socket = udp_socket(to);
  const base::SocketAddress peer(to);
  must(::connect(socket.get(), peer.data(), peer.size()), "connect to " + to.to_string());
  return socket;
}

std::uint32_t new_run() {
  std::uint32_t run = 0;
  must(static_cast<int>(::getrandom(&run, sizeof(run), 0)), "getrandom");
  return run;
}

std::size_t payload_bytes(const std::string& packet_bytes) {
  return std::stoul(packet_bytes) - kHeaderBytes;
}

// How many of the flood have come, once they come no more.
std::uint64_t ask_count(const Fd& socket, std::uint32_t run) {
  std::array<char, UdpMessage::kBytes> buffer{};
  std::uint64_t before = 0;
  for (int i = 0; i < 100; ++i) {
    UdpMessage{.kind = Kind::kCount, .run = run}.write(buffer);
    (void)::send(socket.get(), buffer.data(), buffer.size(), 0);
    pollfd polled{.fd = socket.get(), .events = POLLIN, .revents = 0};
    if (::poll(&polled, 1, 200) != 1 ||
        ::recv(socket.get(), buffer.data(), buffer.size(), 0) != UdpMessage::kBytes) {
      continue;
    }
    const std::uint64_t now = UdpMessage::read(buffer).number;
    if (now == before && now != 0) {
      return now;
    }
    before = now;
  }
  return before;
}

}  // namespace

int udp_serve(const Words& words) {
  const base::Endpoint at = endpoints(words.at(0), words.at(1), "1").front();
  const Fd socket = udp_socket(at);
  const base::SocketAddress own(at);
  must(::bind(socket.get(), own.data(), own.size()), "bind " + at.to_string());
  std::unordered_map<std::uint32_t, std::uint64_t> floods;
  Batch batch;
  std::array<base::SocketAddress, kBatch> peers;
  while (true) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      batch.set_size(i, kMostBytes);
      batch.messages[i].msg_hdr.msg_name = peers[i].data();
      batch.messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_storage);
    }
    const int got =
        ::recvmmsg(socket.get(), batch.messages.data(), kBatch, MSG_WAITFORONE, nullptr);
    for (std::size_t i = 0; static_cast<int>(i) < got; ++i) {
      if (batch[i].size() < UdpMessage::kBytes) {
        continue;
      }
      UdpMessage message = UdpMessage::read(batch[i]);
      if (message.kind == Kind::kFlood) {
        ++floods[message.run];
        continue;
      }
      if (message.kind == Kind::kCount) {
        message.number = floods[message.run];
        message.write(batch[i]);
      }
      (void)::sendto(socket.get(), batch[i].data(), batch[i].size(), MSG_DONTWAIT, peers[i].data(),
                     batch.messages[i].msg_hdr.msg_namelen);
    }
  }
}

int udp_flood(const Words& words) {
  const Fd socket = connected_udp(endpoints(words.at(0), words.at(1), "1").front());
  const std::size_t bytes = payload_bytes(words.at(2));
  const auto length = std::chrono::seconds(std::stoi(words.at(3)));
  const std::uint32_t run = new_run();
  Batch batch;
  for (std::size_t i = 0; i < kBatch; ++i) {
    batch.set_size(i, bytes);
    UdpMessage{.kind = Kind::kFlood, .run = run}.write(batch.buffers[i]);
  }
  std::uint64_t sent = 0;
  const auto begin = Clock::now();
  while (Clock::now() < begin + length) {
    const int more = ::sendmmsg(socket.get(), batch.messages.data(), kBatch, 0);
    sent += more > 0 ? static_cast<std::uint64_t>(more) : 0;
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  const std::uint64_t received = ask_count(socket, run);
  std::printf("{\"per_second\":%.1f,\"sent_per_second\":%.1f}\n",
              static_cast<double>(received) / seconds, static_cast<double>(sent) / seconds);
  return 0;
}

int udp_echo(const Words& words) {
  const Fd socket = connected_udp(endpoints(words.at(0), words.at(1), "1").front());
  const std::size_t bytes = payload_bytes(words.at(2));
  const double rate = std::stod(words.at(3));
  const auto count = static_cast<std::uint64_t>(rate * std::stod(words.at(4)));
  const std::uint32_t run = new_run();
  std::vector<Clock::time_point> sent(count);
  std::vector<Clock::duration> samples;
  std::thread receiver([&] {
    std::array<char, kMostBytes> buffer{};
    pollfd polled{.fd = socket.get(), .events = POLLIN, .revents = 0};
    constexpr int kPatienceMs = 500;  // after the last
    while (samples.size() < count && ::poll(&polled, 1, kPatienceMs) == 1) {
      const ssize_t got = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
      const UdpMessage message = UdpMessage::read(buffer);
      if (got == static_cast<ssize_t>(bytes) && message.run == run && message.number < count) {
        samples.push_back(Clock::now() - sent[message.number]);
      }
    }
  });
  std::array<char, kMostBytes> buffer{};
  const auto begin = Clock::now();
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto due = begin + std::chrono::duration_cast<Clock::duration>(
                                 std::chrono::duration<double>(static_cast<double>(i) / rate));
    std::this_thread::sleep_until(due);
    UdpMessage{.kind = Kind::kEcho, .run = run, .number = i}.write(buffer);
    sent[i] = Clock::now();
    (void)::send(socket.get(), buffer.data(), bytes, 0);
  }
  receiver.join();
  const std::size_t answered = samples.size();
  const auto [p50, p99, p999] = percentiles(samples);
  std::printf("{\"loss_percent\":%.3f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f}\n",
              100.0 * static_cast<double>(count - answered) / static_cast<double>(count), p50, p99,
              p999);
  return 0;
}

}  // namespace bench
