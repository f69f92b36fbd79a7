#include "integration/support/client_network.h"

#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstring>
#include <deque>
#include <mutex>
#include <ostream>
#include <thread>
#include <utility>

#include "flows/reply.h"
#include "flows/vnet_header.h"
#include "integration/support/must.h"

namespace integration {

using base::Fd;

namespace {

constexpr std::size_t kMaxFrameBytes = sizeof(flows::VnetHeader) + 65'536;
constexpr std::size_t kMaxRemembered = 1'000'000;  // packets; enough for hundreds of megabytes

netns::InterfaceAddress interface_address(const std::string& text) {
  const std::size_t slash = text.find('/');
  const base::IpAddress parsed = address(text.substr(0, slash));
  unsigned bits = parsed.is_v4() ? 32 : 128;
  if (slash != std::string::npos) {
    bits = static_cast<unsigned>(std::stoul(text.substr(slash + 1)));
  }
  return {.address = parsed, .bits = static_cast<std::uint8_t>(bits)};
}

netns::SandboxConfig client_sandbox(const TunnelOptions& options) {
  netns::SandboxConfig config;
  config.tun.mtu_bytes = options.mtu != 0 ? options.mtu : 1500;
  config.tun.vnet_header = options.offload;
  config.tun.offload = options.offload;
  for (const std::string& text : options.addresses) {
    config.tun.addresses.push_back(interface_address(text));
  }
  return config;
}

// The kernel makes an IPv6 address usable at once, but takes packets for it only when a work queue
// of its own got round to adding the local route. On a busy machine the first answer would come
// before.
void wait_for_delivery(const netns::Sandbox& sandbox, const TunnelOptions& options) {
  for (const std::string& text : options.addresses) {
    const base::IpAddress own = interface_address(text).address;
    const auto is_local = [&] {
      const Program::Words words = {"ip", "-6", "route", "get", own.to_string()};
      return Program::start_in(sandbox, words).wait().out.starts_with("local ");
    };
    if (own.is_v6() && !eventually(is_local)) {
      give_up("the client's kernel takes no packets for " + text);
    }
  }
}

// What the wire carried for `packet`, which may be a super-segment.
WireTally wire_of(const flows::Packet& packet, const flows::VnetHeader& vnet) {
  if (!vnet.is_gso() || vnet.gso_bytes == 0) {
    return {.packets = 1, .bytes = packet.total_bytes};
  }
  const std::uint64_t payload = packet.payload_bytes();
  const std::uint64_t segments = (payload + vnet.gso_bytes - 1) / vnet.gso_bytes;
  return {.packets = segments, .bytes = payload + segments * packet.payload_offset};
}

WireTally operator+(const WireTally& left, const WireTally& right) {
  return {.packets = left.packets + right.packets, .bytes = left.bytes + right.bytes};
}

}  // namespace

std::ostream& operator<<(std::ostream& stream, const WireTally& tally) {
  return stream << tally.packets << " packets, " << tally.bytes << " bytes";
}

struct ClientNetwork::State {
  // A packet on its way.
  struct Delayed {
    base::Instant due;
    std::vector<std::byte> frame;
  };

  State(TunnelConnection connection, const TunnelOptions& options)
      : sandbox(must(netns::Sandbox::start(client_sandbox(options)))),
        tunnel(std::move(connection)),
        offload(options.offload) {
    if (offload && !sandbox.offload()) {
      give_up("the client's TUN device got no offload");
    }
    wait_for_delivery(sandbox, options);
    start();
  }
  ~State() { stop(); }

  void start() {
    stopped = false;
    closed_by_gateway = false;
    stopping = Fd::adopt(must_call(::eventfd(0, EFD_CLOEXEC), "eventfd"));
    up_thread = std::thread([this] { pump(sandbox.tun(), tunnel.socket(), Direction::kUp); });
    down_thread = std::thread([this] { pump(tunnel.socket(), sandbox.tun(), Direction::kDown); });
  }

  void stop() {
    stopped = true;
    const std::uint64_t one = 1;
    (void)!::write(stopping.get(), &one, sizeof(one));
    ::shutdown(tunnel.socket().get(), SHUT_RDWR);  // ends a send that waits for the gateway
    for (std::thread* thread : {&up_thread, &down_thread}) {
      if (thread->joinable()) {
        thread->join();
      }
    }
    tunnel.close();
  }

  // One direction, until stop() or the gateway's end of the tunnel.
  void pump(const Fd& from, const Fd& to, Direction direction) {
    std::vector<std::byte> frame(kMaxFrameBytes);
    std::deque<Delayed> delayed;
    while (wait_for(from, delayed, to)) {
      const auto size = ::read(from.get(), frame.data(), frame.size());
      if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) {
        break;
      }
      if (size > 0) {
        const auto bytes = std::span<const std::byte>(frame).first(static_cast<std::size_t>(size));
        // Before it goes out: whoever has seen its effect must find it counted.
        remember(bytes, direction);
        if (bytes.size() > path_mtu) {
          answer_too_big(bytes, from);
          continue;
        }
        if (const base::Duration delay = path_delay; delay > 0ms || !delayed.empty()) {
          delayed.push_back({base::Clock::now() + delay, {bytes.begin(), bytes.end()}});
          continue;
        }
        // Blocks on the SEQPACKET, as a tunnel back end would; a TUN device never blocks.
        (void)!::write(to.get(), bytes.data(), bytes.size());
      }
    }
    if (direction == Direction::kDown && !stopped) {
      closed_by_gateway = true;
    }
  }

  // What the router sends to where the packet came from.
  void answer_too_big(std::span<const std::byte> packet, const Fd& back) const {
    const auto parsed = flows::parse(packet, {});
    std::vector<std::byte> reply(flows::kMaxReplyBytes);
    const auto length =
        parsed ? flows::build_icmp_error(packet, *parsed, flows::too_big(parsed->is_v4(), path_mtu),
                                         parsed->destination.address, reply)
               : std::nullopt;
    if (length) {
      (void)!::write(back.get(), reply.data(), *length);
    }
  }

  // Until there is something to read; what has been delayed for long enough goes on meanwhile.
  // False: it is time to stop.
  [[nodiscard]] bool wait_for(const Fd& fd, std::deque<Delayed>& delayed, const Fd& to) const {
    for (;;) {
      for (; !delayed.empty() && delayed.front().due <= base::Clock::now(); delayed.pop_front()) {
        (void)!::write(to.get(), delayed.front().frame.data(), delayed.front().frame.size());
      }
      std::array<pollfd, 2> wait{pollfd{.fd = fd.get(), .events = POLLIN, .revents = 0},
                                 pollfd{.fd = stopping.get(), .events = POLLIN, .revents = 0}};
      int limit_ms = -1;
      if (!delayed.empty()) {
        const auto left = delayed.front().due - base::Clock::now();
        limit_ms = static_cast<int>(
            std::max(std::chrono::ceil<std::chrono::milliseconds>(left), 0ms).count());
      }
      if (::poll(wait.data(), wait.size(), limit_ms) > 0) {
        return wait[1].revents == 0;
      }
    }
  }

  void remember(std::span<const std::byte> frame, Direction direction) {
    flows::VnetHeader vnet;
    if (offload) {
      if (frame.size() < sizeof(vnet)) {
        return;
      }
      std::memcpy(&vnet, frame.data(), sizeof(vnet));
      frame = frame.subspan(sizeof(vnet));
    }
    const auto packet = flows::parse(frame, vnet);
    const WireTally wire =
        packet ? wire_of(*packet, vnet) : WireTally{.packets = 1, .bytes = frame.size()};
    const std::lock_guard lock(mutex);
    WireTally& total = direction == Direction::kUp ? up : down;
    total = total + wire;
    if (packet && seen.size() < kMaxRemembered) {
      seen.push_back({.direction = direction, .headers = *packet, .wire = wire});
    }
  }

  netns::Sandbox sandbox;
  TunnelConnection tunnel;
  bool offload;
  std::atomic<std::uint32_t> path_mtu = 0xffffffff;
  std::atomic<base::Duration> path_delay = base::Duration(0);
  Fd stopping;
  std::atomic<bool> stopped = false;
  std::atomic<bool> closed_by_gateway = false;
  mutable std::mutex mutex;
  WireTally up;
  WireTally down;
  std::vector<SeenPacket> seen;
  std::thread up_thread;
  std::thread down_thread;
};

ClientNetwork::ClientNetwork(TunnelConnection tunnel, const TunnelOptions& options)
    : state_(std::make_unique<State>(std::move(tunnel), options)) {}

ClientNetwork::ClientNetwork(const std::string& onramp_path, const TunnelOptions& options) {
  auto tunnel = TunnelConnection::open(onramp_path, options);
  TunnelOptions granted = options;
  if (options.reply) {
    const auto& answer = tunnel.reply();
    if (!answer.is_object() || !answer.value("ok", false)) {
      give_up("the gateway refused the tunnel: " + answer.dump());
    }
    granted.mtu = answer.at("mtu").get<std::uint32_t>();
    granted.offload = answer.at("offload").get<bool>();
  }
  state_ = std::make_unique<State>(std::move(tunnel), granted);
}

ClientNetwork::~ClientNetwork() = default;
ClientNetwork::ClientNetwork(ClientNetwork&&) noexcept = default;

Finished ClientNetwork::run(const Program::Words& words, base::Duration limit,
                            const ProgramOptions& options) const {
  return start(words, options).wait(limit);
}

Program ClientNetwork::start(const Program::Words& words, const ProgramOptions& options) const {
  return Program::start_in(state_->sandbox, words, options);
}

Fd ClientNetwork::socket(int domain, int type, int protocol) const {
  return std::move(must(state_->sandbox.open_sockets(domain, type, protocol, 1)).front());
}

TcpConnection ClientNetwork::connect(const base::Endpoint& to) const {
  return TcpConnection::connect(socket(base::SocketAddress(to).family(), SOCK_STREAM), to);
}

std::error_code ClientNetwork::try_connect(const base::Endpoint& to, base::Duration limit) const {
  return TcpConnection::try_connect(socket(base::SocketAddress(to).family(), SOCK_STREAM), to,
                                    limit);
}

Fd ClientNetwork::listen(const std::string& text, std::uint16_t port) const {
  const base::SocketAddress at(base::Endpoint{address(text), base::Port{port}});
  Fd listener = socket(at.family(), SOCK_STREAM);
  const int on = 1;
  must_call(::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)),
            "SO_REUSEADDR");
  must_call(::bind(listener.get(), at.data(), at.size()), "bind " + text);
  must_call(::listen(listener.get(), SOMAXCONN), "listen");
  return listener;
}

void ClientNetwork::close_tunnel() {
  state_->stop();
}

void ClientNetwork::reopen_tunnel(const std::string& onramp_path, const TunnelOptions& options) {
  auto tunnel = TunnelConnection::open(onramp_path, options);
  state_->stop();
  state_->tunnel = std::move(tunnel);
  state_->start();
}

void ClientNetwork::narrow_path(std::uint32_t mtu_bytes) {
  state_->path_mtu = mtu_bytes;
}

void ClientNetwork::delay_path(base::Duration one_way) {
  state_->path_delay = one_way;
}

bool ClientNetwork::wait_for_gateway_to_close(base::Duration limit) const {
  return eventually([&] { return state_->closed_by_gateway.load(); }, limit);
}

WireTally ClientNetwork::up() const {
  const std::lock_guard lock(state_->mutex);
  return state_->up;
}

WireTally ClientNetwork::down() const {
  const std::lock_guard lock(state_->mutex);
  return state_->down;
}

WireTally ClientNetwork::tally(const std::function<bool(const SeenPacket&)>& wanted) const {
  const std::lock_guard lock(state_->mutex);
  if (state_->seen.size() == kMaxRemembered) {
    give_up("more packets than ClientNetwork remembers");
  }
  WireTally sum;
  for (const SeenPacket& packet : state_->seen) {
    if (wanted(packet)) {
      sum = sum + packet.wire;
    }
  }
  return sum;
}

bool ClientNetwork::sees(const std::function<bool(const SeenPacket&)>& wanted,
                         base::Duration limit) const {
  return eventually([&] { return tally(wanted).packets > 0; }, limit);
}

const nlohmann::json& ClientNetwork::reply() const {
  return state_->tunnel.reply();
}

netns::Sandbox& ClientNetwork::sandbox() const {
  return state_->sandbox;
}

}  // namespace integration
