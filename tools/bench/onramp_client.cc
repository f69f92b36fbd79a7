#include "tools/bench/onramp_client.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>

#include "tools/bench/sockets.h"

namespace bench {

using base::Fd;
using base::IpAddress;

TunnelContext context_of(const std::string& number, const std::string& mtu, bool offload) {
  const auto v4 = IpAddress::parse("100.64.0." + number);
  const auto v6 = IpAddress::parse("fd00:64::" + number);
  if (!v4 || !v6) {
    errno = EINVAL;
    die("tunnel " + number);
  }
  return {.v4 = *v4, .v6 = *v6, .mtu = mtu, .offload = offload};
}

void widen(const Fd& socket) {
  const int bytes = 4 << 20;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

Fd open_tunnel(const std::string& path, const TunnelContext& context) {
  Fd socket = Fd::adopt(must(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "socket"));
  widen(socket);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  must(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
       "connect to " + path);
  const std::string text = R"({"tenant":")" + context.tenant + R"(","reply":true,"addresses":[")" +
                           context.v4.to_string() + "/" + context.v4_bits + "\",\"" +
                           context.v6.to_string() + "/128\"],\"mtu\":" + context.mtu +
                           ",\"offload\":" + (context.offload ? "true" : "false") + "}";
  must(static_cast<int>(::send(socket.get(), text.data(), text.size(), 0)), "context");
  std::array<char, 4096> reply{};
  if (::recv(socket.get(), reply.data(), reply.size() - 1, 0) <= 0 ||
      std::strstr(reply.data(), "\"ok\":true") == nullptr) {
    die(std::string("the gateway's answer: ") + reply.data());
  }
  return socket;
}

Fd open_gue(const base::Endpoint& peer) {
  const base::SocketAddress address(peer);
  Fd socket = Fd::adopt(must(::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
  widen(socket);
  must(::connect(socket.get(), address.data(), address.size()), "connect to " + peer.to_string());
  return socket;
}

}  // namespace bench
