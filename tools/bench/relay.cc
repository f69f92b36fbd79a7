#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "tools/bench/loads.h"
#include "tools/bench/sockets.h"

namespace bench {

using base::Fd;

namespace {

constexpr std::size_t kPipeBytes = 1 << 20;

// Until the end of `from`, which becomes the end of `to`.
void splice_all(const Fd& from, const Fd& to) {
  std::array<int, 2> pipe{};
  must(::pipe2(pipe.data(), O_CLOEXEC), "pipe2");
  const Fd out = Fd::adopt(pipe[0]);
  const Fd in = Fd::adopt(pipe[1]);
  ::fcntl(in.get(), F_SETPIPE_SZ, kPipeBytes);
  while (true) {
    ssize_t left = ::splice(from.get(), nullptr, in.get(), nullptr, kPipeBytes, SPLICE_F_MOVE);
    if (left <= 0) {
      break;
    }
    while (left > 0) {
      const ssize_t moved = ::splice(out.get(), nullptr, to.get(), nullptr,
                                     static_cast<std::size_t>(left), SPLICE_F_MOVE);
      if (moved <= 0) {
        ::shutdown(from.get(), SHUT_RDWR);  // the other direction ends, too
        return;
      }
      left -= moved;
    }
  }
  ::shutdown(to.get(), SHUT_WR);
}

void join_ends(Fd client, const base::Endpoint& target) {
  const Fd server = connect_to(target);
  no_delay(client);
  no_delay(server);
  std::thread back([&] { splice_all(server, client); });
  splice_all(client, server);
  back.join();
}

}  // namespace

int relay(const Words& words) {
  const auto own = endpoints(words.at(0), words.at(2), words.at(3));
  const auto targets = endpoints(words.at(1), words.at(2), words.at(3));
  std::vector<Fd> listeners;
  std::vector<pollfd> polled;
  for (const auto& at : own) {
    listeners.push_back(listen_at(at));
    polled.push_back({.fd = listeners.back().get(), .events = POLLIN, .revents = 0});
  }
  while (::poll(polled.data(), polled.size(), -1) > 0) {
    for (std::size_t i = 0; i < polled.size(); ++i) {
      Fd client = Fd::adopt(::accept4(polled[i].fd, nullptr, nullptr, SOCK_CLOEXEC));
      if (client.is_open()) {
        std::thread([client = std::move(client), target = targets[i]]() mutable {
          join_ends(std::move(client), target);
        }).detach();
      }
    }
  }
  return 1;
}

}  // namespace bench
