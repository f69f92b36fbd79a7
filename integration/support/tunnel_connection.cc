#include "integration/support/tunnel_connection.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <utility>

#include "integration/support/must.h"

namespace integration {

using nlohmann::json;

namespace {

constexpr std::size_t kMaxDatagramBytes = 128 * 1024;

}  // namespace

json context_of(const TunnelOptions& options) {
  json context = {{"version", 1}, {"tenant", options.tenant}};
  if (!options.name.empty()) {
    context["name"] = options.name;
  }
  if (!options.addresses.empty()) {
    context["addresses"] = options.addresses;
  }
  if (options.mtu != 0) {
    context["mtu"] = options.mtu;
  }
  if (options.offload) {
    context["offload"] = true;
  }
  if (options.reply) {
    context["reply"] = true;
  }
  if (!options.labels.is_null()) {
    context["labels"] = options.labels;
  }
  return context;
}

TunnelConnection::TunnelConnection(const std::string& onramp_path)
    : socket_(base::Fd::adopt(
          must_call(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "socket"))) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (onramp_path.size() >= sizeof(address.sun_path)) {
    give_up("too long for a socket: " + onramp_path);
  }
  std::memcpy(address.sun_path, onramp_path.data(), onramp_path.size());
  must_call(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
            "connecting to " + onramp_path);
}

TunnelConnection TunnelConnection::open(const std::string& onramp_path,
                                        const TunnelOptions& options) {
  TunnelConnection tunnel(onramp_path);
  if (!tunnel.send(context_of(options).dump())) {
    give_up("the gateway closed before it had read the context");
  }
  if (options.reply) {
    tunnel.reply_ = tunnel.receive_reply();
  }
  return tunnel;
}

bool TunnelConnection::send(std::span<const std::byte> datagram) const {
  return ::send(socket_.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL) >= 0;
}

bool TunnelConnection::send(const std::string& datagram) const {
  return send(std::as_bytes(std::span(datagram)));
}

std::optional<TunnelConnection::Bytes> TunnelConnection::receive(base::Duration limit) const {
  if (!ready_within(limit, socket_)) {
    return std::nullopt;
  }
  Bytes bytes(kMaxDatagramBytes);
  const auto size = ::recv(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (size <= 0) {
    return std::nullopt;
  }
  bytes.resize(static_cast<std::size_t>(size));
  return bytes;
}

json TunnelConnection::receive_reply() const {
  const auto bytes = receive();
  if (!bytes) {
    return nullptr;
  }
  const auto* text = reinterpret_cast<const char*>(bytes->data());
  return json::parse(text, text + bytes->size());
}

bool TunnelConnection::is_closed_by_gateway(base::Duration limit) const {
  const base::Instant deadline = base::Clock::now() + limit;
  while (ready_within(std::max<base::Duration>(deadline - base::Clock::now(), 0ms), socket_)) {
    if (!receive(0ms)) {
      return true;
    }
  }
  return false;
}

}  // namespace integration
