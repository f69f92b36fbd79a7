#include "tools/bench/sockets.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/endpoint.h"

namespace bench {

using base::Endpoint;
using base::Fd;

void die(const std::string& what) {
  std::fprintf(stderr, "bench_load: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

int must(int result, const std::string& what) {
  if (result < 0) {
    die(what);
  }
  return result;
}

std::vector<Endpoint> endpoints(const std::string& address, const std::string& first_port,
                                const std::string& count) {
  const auto parsed = base::IpAddress::parse(address);
  if (!parsed) {
    errno = EINVAL;
    die(address);
  }
  std::vector<Endpoint> made;
  for (int i = 0; i < std::stoi(count); ++i) {
    made.push_back({*parsed, base::Port{static_cast<std::uint16_t>(std::stoi(first_port) + i)}});
  }
  return made;
}

namespace {

Fd stream_socket(const Endpoint& like, int flags) {
  const int family = like.address.is_v4() ? AF_INET : AF_INET6;
  return Fd::adopt(must(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), "socket"));
}

}  // namespace

Fd listen_at(const Endpoint& at) {
  Fd socket = stream_socket(at, SOCK_NONBLOCK);
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const base::SocketAddress own(at);
  must(::bind(socket.get(), own.data(), own.size()), "bind " + at.to_string());
  must(::listen(socket.get(), 4096), "listen");
  return socket;
}

Fd start_connect(const Endpoint& to) {
  Fd socket = stream_socket(to, SOCK_NONBLOCK);
  const base::SocketAddress peer(to);
  if (::connect(socket.get(), peer.data(), peer.size()) != 0 && errno != EINPROGRESS) {
    die("connect to " + to.to_string());
  }
  return socket;
}

Fd connect_to(const Endpoint& to) {
  Fd socket = stream_socket(to, 0);
  const base::SocketAddress peer(to);
  must(::connect(socket.get(), peer.data(), peer.size()), "connect to " + to.to_string());
  return socket;
}

void no_delay(const Fd& socket) {
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

Percentiles percentiles(std::vector<Clock::duration>& samples) {
  if (samples.empty()) {
    return {};
  }
  std::ranges::sort(samples);
  const auto at = [&](double share) {
    const auto index = static_cast<std::size_t>(share * static_cast<double>(samples.size() - 1));
    return std::chrono::duration<double, std::micro>(samples[index]).count();
  };
  return {at(0.5), at(0.99), at(0.999)};
}

}  // namespace bench
