#include "integration/support/gue_peer.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

#include "integration/support/client_network.h"
#include "integration/support/must.h"

namespace integration {

using base::Fd;

namespace {

constexpr std::size_t kMaxBytes = 65'536;
constexpr std::size_t kMaxBurst = 40;  // datagrams; less than 64 KiB of full packets

unsigned nibble(std::byte byte) {
  return std::to_integer<unsigned>(byte) >> 4U;
}

void put32(GuePeer::Bytes& bytes, std::uint32_t value) {
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    bytes.push_back(static_cast<std::byte>((value >> shift) & 0xffU));
  }
}

GuePeer::Bytes header_for(const GuePeerOptions& options, std::span<const std::byte> packet) {
  GuePeer::Bytes header;
  if (options.bare) {
    return header;
  }
  const std::uint32_t words =
      (options.tenant ? 2U : 0U) + static_cast<std::uint32_t>(options.surplus_words);
  const std::uint32_t protocol = nibble(packet[0]) == 4 ? 4 : 41;
  put32(header, words << 24U | protocol << 16U);
  if (options.tenant) {
    put32(header, 0x4c470100);
    put32(header, *options.tenant);
  }
  for (std::size_t i = 0; i < options.surplus_words; ++i) {
    put32(header, 0xaaaaaaaa);
  }
  return header;
}

std::size_t header_bytes_of(std::span<const std::byte> datagram) {
  if (datagram.empty()) {
    give_up("the gateway sent an empty datagram");
  }
  const bool bare = nibble(datagram[0]) == 4 || nibble(datagram[0]) == 6;
  return bare ? 0 : 4 + 4 * (std::to_integer<std::size_t>(datagram[0]) & 0x1fU);
}

std::string hex_of(std::span<const std::byte> bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text += kDigits[std::to_integer<unsigned>(byte) >> 4U];
    text += kDigits[std::to_integer<unsigned>(byte) & 0xfU];
  }
  return text;
}

Fd bound_socket(const GuePeerOptions& options) {
  const base::Endpoint own{address(options.outer), base::Port{options.port}};
  const base::SocketAddress at(own);
  Fd socket =
      options.machine != nullptr
          ? options.machine->socket(at.family(), SOCK_DGRAM)
          : Fd::adopt(must_call(::socket(at.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0), "UDP socket"));
  must_call(::bind(socket.get(), at.data(), at.size()), "bind " + own.to_string());
  const int bytes = 4 << 20;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
  return socket;
}

}  // namespace

GuePeer::Bytes bytes_of_hex(const std::string& hex) {
  GuePeer::Bytes bytes;
  std::string digits;
  for (const char c : hex) {
    if (c != ' ') {
      digits += c;
    }
    if (digits.size() == 2) {
      bytes.push_back(static_cast<std::byte>(std::stoul(digits, nullptr, 16)));
      digits.clear();
    }
  }
  return bytes;
}

struct GuePeer::State {
  explicit State(const GuePeerOptions& given)
      : options(given),
        socket(bound_socket(given)),
        stopping(Fd::adopt(must_call(::eventfd(0, EFD_CLOEXEC), "eventfd"))) {}
  ~State() {
    const std::uint64_t one = 1;
    (void)!::write(stopping.get(), &one, sizeof(one));
    if (inner.is_open()) {
      ::shutdown(inner.get(), SHUT_RDWR);
    }
    for (std::thread* thread : {&up, &down}) {
      if (thread->joinable()) {
        thread->join();
      }
    }
  }

  void send(std::span<const std::byte> datagram) const {
    const base::SocketAddress to(options.gateway);
    // As a network would: what does not fit is lost.
    (void)::sendto(socket.get(), datagram.data(), datagram.size(), 0, to.data(), to.size());
  }

  void send_burst(const std::vector<Bytes>& datagrams) const {
    Bytes all;
    for (const Bytes& datagram : datagrams) {
      all.insert(all.end(), datagram.begin(), datagram.end());
    }
    const auto length = static_cast<std::uint16_t>(datagrams.front().size());
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(length))> control{};
    iovec piece{.iov_base = all.data(), .iov_len = all.size()};
    base::SocketAddress to(options.gateway);
    msghdr message{};
    message.msg_name = to.data();
    message.msg_namelen = to.size();
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof(length));
    std::memcpy(CMSG_DATA(header), &length, sizeof(length));
    must_call(::sendmsg(socket.get(), &message, 0), "sending a burst");
  }

  [[nodiscard]] Bytes datagram_of(std::span<const std::byte> packet) const {
    Bytes datagram = header_for(options, packet);
    datagram.insert(datagram.end(), packet.begin(), packet.end());
    return datagram;
  }

  [[nodiscard]] Received receive() const {
    Received received;
    Bytes bytes(kMaxBytes);
    base::SocketAddress from;
    const auto size = must_call(
        ::recvfrom(socket.get(), bytes.data(), bytes.size(), 0, from.data(), &from.size()),
        "recvfrom");
    bytes.resize(static_cast<std::size_t>(size));
    const std::size_t header_bytes = header_bytes_of(bytes);
    received.from = from.endpoint().value_or(base::Endpoint{});
    received.header = hex_of(std::span(bytes).first(header_bytes));
    received.packet.assign(bytes.begin() + static_cast<std::ptrdiff_t>(header_bytes), bytes.end());
    return received;
  }

  [[nodiscard]] bool wait_for(const Fd& fd) const {
    std::array<pollfd, 2> wait{pollfd{.fd = fd.get(), .events = POLLIN, .revents = 0},
                               pollfd{.fd = stopping.get(), .events = POLLIN, .revents = 0}};
    while (::poll(wait.data(), wait.size(), -1) < 0) {
    }
    return wait[1].revents == 0;
  }

  void pump_up() const {
    Bytes packet(kMaxBytes);
    std::vector<Bytes> waiting;
    while (wait_for(inner)) {
      ssize_t size = 0;
      while ((size = ::recv(inner.get(), packet.data(), packet.size(), MSG_DONTWAIT)) > 0) {
        const Bytes datagram = datagram_of(std::span(packet).first(static_cast<std::size_t>(size)));
        if (!options.bursts) {
          send(datagram);
          continue;
        }
        if (!waiting.empty() &&
            (waiting.size() == kMaxBurst || waiting.back().size() != waiting.front().size() ||
             datagram.size() > waiting.front().size())) {
          send_burst(std::exchange(waiting, {}));
        }
        waiting.push_back(datagram);
      }
      if (!waiting.empty()) {
        send_burst(std::exchange(waiting, {}));
      }
      if (size == 0) {
        return;
      }
    }
  }

  void pump_down() {
    while (wait_for(socket)) {
      const Received received = receive();
      {
        const std::lock_guard lock(mutex);
        headers.insert(received.header);
        senders.insert(received.from);
      }
      (void)::send(inner.get(), received.packet.data(), received.packet.size(), MSG_NOSIGNAL);
    }
  }

  GuePeerOptions options;
  Fd socket;
  Fd stopping;
  Fd inner;  // our end of the tunnel
  mutable std::mutex mutex;
  std::set<std::string> headers;
  std::set<base::Endpoint> senders;
  std::thread up;
  std::thread down;
};

GuePeer::GuePeer(const GuePeerOptions& options) : state_(std::make_unique<State>(options)) {}
GuePeer::~GuePeer() = default;
GuePeer::GuePeer(GuePeer&&) noexcept = default;

TunnelConnection GuePeer::tunnel() {
  std::array<int, 2> pair{};
  must_call(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()), "socketpair");
  state_->inner = Fd::adopt(pair[0]);
  TunnelConnection other(Fd::adopt(pair[1]));
  state_->up = std::thread([state = state_.get()] { state->pump_up(); });
  state_->down = std::thread([state = state_.get()] { state->pump_down(); });
  return other;
}

void GuePeer::send(std::span<const std::byte> packet) const {
  state_->send(state_->datagram_of(packet));
}

void GuePeer::send_datagram(std::span<const std::byte> datagram) const {
  state_->send(datagram);
}

void GuePeer::send_hex(const std::string& hex) const {
  state_->send(bytes_of_hex(hex));
}

void GuePeer::send_burst(const std::vector<Bytes>& datagrams) const {
  state_->send_burst(datagrams);
}

GuePeer::Received GuePeer::receive(base::Duration limit) const {
  if (!ready_within(limit, state_->socket)) {
    give_up("no GUE datagram came to " + endpoint().to_string());
  }
  return state_->receive();
}

bool GuePeer::hears_nothing(base::Duration limit) const {
  return !ready_within(limit, state_->socket);
}

std::set<std::string> GuePeer::headers() const {
  const std::lock_guard lock(state_->mutex);
  return state_->headers;
}

std::set<base::Endpoint> GuePeer::senders() const {
  const std::lock_guard lock(state_->mutex);
  return state_->senders;
}

base::Endpoint GuePeer::endpoint() const {
  base::SocketAddress own;
  must_call(::getsockname(state_->socket.get(), own.data(), &own.size()), "getsockname");
  return own.endpoint().value_or(base::Endpoint{});
}

}  // namespace integration
