// Connections that were used once and then stay open.

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "tools/bench/loads.h"
#include "tools/bench/sockets.h"

namespace bench {

using base::Fd;

namespace {

// Whether the exchange came to its end.
bool use_once(const Fd& socket) {
  std::array<char, 64> message{};
  return ::send(socket.get(), message.data(), message.size(), MSG_NOSIGNAL) > 0 &&
         ::recv(socket.get(), message.data(), message.size(), MSG_WAITALL) ==
             static_cast<ssize_t>(message.size());
}

}  // namespace

void lift_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

int idle(const Words& words) {
  const auto servers = endpoints(words.at(0), words.at(1), words.at(2));
  const std::size_t count = std::stoul(words.at(3));
  std::puts("{\"ready\":true}");
  std::fflush(stdout);
  if (std::getchar() == EOF) {
    return 1;
  }
  std::vector<Fd> connections;
  std::size_t used = 0;
  for (std::size_t i = 0; i < count; ++i) {
    connections.push_back(connect_to(servers[i % servers.size()]));
    used += use_once(connections.back()) ? 1U : 0U;
  }
  std::printf("{\"connected\":%zu}\n", used);
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}

}  // namespace bench
