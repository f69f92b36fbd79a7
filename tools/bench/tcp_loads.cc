#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <unordered_map>

#include "tools/bench/loads.h"
#include "tools/bench/sockets.h"

namespace bench {

using base::Fd;

namespace {

constexpr std::size_t kMessageBytes = 64;

class Poller {
 public:
  void add(int fd, std::uint32_t events) {
    epoll_event event{.events = events, .data = {.fd = fd}};
    must(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
  }
  // Calls `ready(fd, events)` for what is ready within `limit_ms`.
  template <class Ready>
  void wait(int limit_ms, Ready ready) {
    std::array<epoll_event, 256> events{};
    const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), limit_ms);
    for (int i = 0; i < count; ++i) {
      ready(events[static_cast<std::size_t>(i)].data.fd,
            events[static_cast<std::size_t>(i)].events);
    }
  }

 private:
  Fd epoll_ = Fd::adopt(must(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
};

}  // namespace

int serve(const Words& words) {
  Poller poller;
  std::unordered_map<int, Fd> listeners;
  std::unordered_map<int, Fd> connections;
  for (const auto& at : endpoints(words.at(0), words.at(1), words.at(2))) {
    Fd listener = listen_at(at);
    poller.add(listener.get(), EPOLLIN);
    listeners.emplace(listener.get(), std::move(listener));
  }
  const auto accept_from = [&](int listener) {
    while (true) {
      Fd connection =
          Fd::adopt(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!connection.is_open()) {
        return;
      }
      no_delay(connection);
      poller.add(connection.get(), EPOLLIN);
      connections.emplace(connection.get(), std::move(connection));
    }
  };
  std::array<char, 65536> buffer{};
  while (true) {
    poller.wait(-1, [&](int fd, std::uint32_t) {
      if (listeners.contains(fd)) {
        accept_from(fd);
        return;
      }
      const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (got < 0 && errno == EAGAIN) {
        return;
      }
      if (got <= 0 ||
          ::send(fd, buffer.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) != got) {
        connections.erase(fd);
      }
    });
  }
}

int connect_request_response(const Words& words) {
  const auto servers = endpoints(words.at(0), words.at(1), words.at(2));
  const auto concurrent = static_cast<std::size_t>(std::stoul(words.at(3)));
  const auto length = std::chrono::seconds(std::stoi(words.at(4)));
  struct Exchange {
    Fd socket;
    Clock::time_point started;
    bool asked = false;
  };
  Poller poller;
  std::unordered_map<int, Exchange> exchanges;
  std::vector<Clock::duration> samples;
  std::size_t next_server = 0;
  std::size_t failed = 0;
  const std::array<char, kMessageBytes> request{};
  std::array<char, kMessageBytes> response{};
  const auto start = [&] {
    Fd socket = start_connect(servers[next_server++ % servers.size()]);
    const int fd = socket.get();
    poller.add(fd, EPOLLIN | EPOLLOUT | EPOLLET);
    exchanges.emplace(fd, Exchange{std::move(socket), Clock::now()});
  };
  // Whether it is over.
  const auto go_on = [&](Exchange& exchange, std::uint32_t events) {
    if (!exchange.asked && (events & EPOLLOUT) != 0) {
      exchange.asked = true;
      if (::send(exchange.socket.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) {
        ++failed;
        return true;
      }
    }
    const ssize_t got = ::recv(exchange.socket.get(), response.data(), response.size(), 0);
    if (got < 0 && errno == EAGAIN) {
      return false;
    }
    if (got > 0) {
      samples.push_back(Clock::now() - exchange.started);
    } else {
      ++failed;
    }
    return true;
  };

  const auto begin = Clock::now();
  const auto end = begin + length;
  for (std::size_t i = 0; i < concurrent; ++i) {
    start();
  }
  while (!exchanges.empty() && Clock::now() < end + std::chrono::seconds(5)) {
    poller.wait(100, [&](int fd, std::uint32_t events) {
      const auto found = exchanges.find(fd);
      if (found != exchanges.end() && go_on(found->second, events)) {
        exchanges.erase(found);
        if (Clock::now() < end) {
          start();
        }
      }
    });
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  const auto [p50, p99, p999] = percentiles(samples);
  std::printf(
      "{\"per_second\":%.1f,\"failed\":%zu,\"unfinished\":%zu,\"p50_us\":%.1f,"
      "\"p99_us\":%.1f,\"p999_us\":%.1f}\n",
      static_cast<double>(samples.size()) / seconds, failed, exchanges.size(), p50, p99, p999);
  return 0;
}

int request_response(const Words& words) {
  const Fd socket = connect_to(endpoints(words.at(0), words.at(1), "1").front());
  no_delay(socket);
  const auto end = Clock::now() + std::chrono::seconds(std::stoi(words.at(2)));
  std::array<char, kMessageBytes> message{};
  std::vector<Clock::duration> samples;
  while (Clock::now() < end) {
    const auto started = Clock::now();
    if (::send(socket.get(), message.data(), message.size(), MSG_NOSIGNAL) < 0 ||
        ::recv(socket.get(), message.data(), message.size(), MSG_WAITALL) !=
            static_cast<ssize_t>(message.size())) {
      die("request and response");
    }
    samples.push_back(Clock::now() - started);
  }
  const auto [p50, p99, p999] = percentiles(samples);
  std::printf("{\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"exchanges\":%zu}\n", p50, p99,
              p999, samples.size());
  return 0;
}

}  // namespace bench
