#include "integration/support/servers.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

#include "integration/support/must.h"

namespace integration {

using base::Fd;

namespace {

// Wakes the threads that poll it, and stays readable.
class StopSignal {
 public:
  void raise() const {
    const std::uint64_t one = 1;
    (void)!::write(event_.get(), &one, sizeof(one));
  }
  /// Waits for `fd`; false: it is time to stop.
  [[nodiscard]] bool wait_for(const Fd& fd) const {
    std::array<pollfd, 2> wait{pollfd{.fd = fd.get(), .events = POLLIN, .revents = 0},
                               pollfd{.fd = event_.get(), .events = POLLIN, .revents = 0}};
    while (::poll(wait.data(), wait.size(), -1) < 0) {
    }
    return wait[1].revents == 0;
  }
  [[nodiscard]] const Fd& fd() const { return event_; }

 private:
  Fd event_ = Fd::adopt(must_call(::eventfd(0, EFD_CLOEXEC), "eventfd"));
};

// A server is patient: its destructor ends what is still open.
constexpr auto kUntilStopped = std::chrono::hours(1);

base::Endpoint any_port_of(const std::string& text) {
  return {address(text), base::Port{0}};
}

}  // namespace

struct TcpServer::State {
  State(Handler serve, Fd socket) : handler(std::move(serve)), listener(std::move(socket)) {
    acceptor = std::thread([this] { accept_all(); });
  }
  ~State() {
    stop.raise();
    acceptor.join();
    {
      const std::lock_guard lock(mutex);
      for (const Connection& connection : connections) {
        // Wakes its thread. Not closed: the number would be free for somebody else.
        ::shutdown(connection.socket_number, SHUT_RDWR);
      }
    }
    for (Connection& connection : connections) {
      connection.thread.join();
    }
  }

  struct Connection {
    Served served;
    int socket_number = -1;  // -1 once it is closed
    std::thread thread;
  };

  void accept_all() {
    while (stop.wait_for(listener)) {
      auto socket = Fd::adopt(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (socket.is_open()) {
        const std::lock_guard lock(mutex);
        Connection& connection = connections.emplace_back();
        connection.socket_number = socket.get();
        connection.thread =
            std::thread([this, &connection, shared = std::make_shared<Fd>(std::move(socket))] {
              serve(connection, std::move(*shared));
            });
      }
    }
  }

  void serve(Connection& connection, Fd socket) {
    TcpConnection stream(std::move(socket));
    Served served;
    try {
      served.peer = stream.peer();
      publish(connection, served);
      handler(stream, served);
    } catch (const std::exception&) {
      // The peer or the end of the test broke it off; `served` tells how far it came.
      stream.reset_on_close();
    }
    const std::lock_guard lock(mutex);
    connection.socket_number = -1;
    stream.close();
    served.finished = true;
    connection.served = served;
  }

  void publish(Connection& connection, const Served& served) {
    const std::lock_guard lock(mutex);
    connection.served = served;
  }

  Handler handler;
  Fd listener;
  StopSignal stop;
  mutable std::mutex mutex;
  std::list<Connection> connections;
  std::thread acceptor;
};

Listening::Listening(const std::string& address) : socket_(listen_on(any_port_of(address))) {}

TcpServer::TcpServer(Handler handler, Listening where)
    : state_(std::make_unique<State>(std::move(handler), where.take())) {}
TcpServer::~TcpServer() = default;
TcpServer::TcpServer(TcpServer&&) noexcept = default;

TcpServer TcpServer::echo(Listening where) {
  return TcpServer(
      [](TcpConnection& connection, Served& served) {
        served.end = connection.drain(
            [&](std::span<const std::byte> part) {
              served.received_bytes += part.size();
              connection.send(part);
            },
            kUntilStopped);
        if (served.end == End::kFin) {
          connection.finish_sending();
        }
      },
      std::move(where));
}

TcpServer TcpServer::discard(Listening where) {
  return TcpServer(
      [](TcpConnection& connection, Served& served) {
        const Pattern pattern;
        PatternChecker checker(pattern);
        served.end = connection.drain([&](std::span<const std::byte> part) { checker.take(part); },
                                      kUntilStopped);
        served.received_bytes = checker.bytes();
        served.pattern_is_right = checker.is_right();
      },
      std::move(where));
}

TcpServer TcpServer::source(std::uint64_t bytes, Listening where) {
  return TcpServer(
      [bytes](TcpConnection& connection, Served& served) {
        const Pattern pattern;
        for (std::uint64_t sent = 0; sent < bytes;) {
          auto part = pattern.from(sent);
          part = part.first(
              static_cast<std::size_t>(std::min<std::uint64_t>(part.size(), bytes - sent)));
          connection.send(part);
          sent += part.size();
        }
        connection.finish_sending();
        served.end = connection.wait_for_end(kUntilStopped);
      },
      std::move(where));
}

TcpServer TcpServer::half_closing(const std::string& greeting, Listening where) {
  return TcpServer(
      [greeting](TcpConnection& connection, Served& served) {
        connection.send(greeting);
        connection.finish_sending();
        const Pattern pattern;
        PatternChecker checker(pattern);
        served.end = connection.drain([&](std::span<const std::byte> part) { checker.take(part); },
                                      kUntilStopped);
        served.received_bytes = checker.bytes();
        served.pattern_is_right = checker.is_right();
      },
      std::move(where));
}

TcpServer TcpServer::answer_after_end(Listening where) {
  return TcpServer(
      [](TcpConnection& connection, Served& served) {
        const std::string all = connection.receive_all();
        served.end = End::kFin;
        served.received_bytes = all.size();
        connection.send(all);
      },
      std::move(where));
}

TcpServer TcpServer::resetting(std::size_t bytes, Listening where) {
  return TcpServer(
      [bytes](TcpConnection& connection, Served& served) {
        served.received_bytes = connection.receive(bytes).size();
        connection.reset_on_close();
      },
      std::move(where));
}

TcpServer TcpServer::holding(Listening where) {
  return TcpServer(
      [](TcpConnection& connection, Served&) {
        // Until the peer has gone, or the server shuts the socket down.
        pollfd hang_up{.fd = connection.socket().get(), .events = 0, .revents = 0};
        while (::poll(&hang_up, 1, -1) < 0) {
        }
      },
      std::move(where));
}

TcpServer TcpServer::program(const Program::Words& words, Listening where) {
  return TcpServer(
      [words](TcpConnection& connection, Served& served) {
        // Most programs take EAGAIN for the end of their input or output.
        const int flags = ::fcntl(connection.socket().get(), F_GETFL);
        ::fcntl(connection.socket().get(), F_SETFL, flags & ~O_NONBLOCK);
        Program program = Program::start(words, {.connection = &connection.socket()});
        // Until the program ends, or the server hangs up and so ends it.
        std::array<pollfd, 2> wait{
            pollfd{.fd = program.pidfd().get(), .events = POLLIN, .revents = 0},
            pollfd{.fd = connection.socket().get(), .events = 0, .revents = 0}};
        while (::poll(wait.data(), wait.size(), -1) < 0) {
        }
        (void)program.wait();
        served.end = End::kFin;
      },
      std::move(where));
}

base::Endpoint TcpServer::endpoint() const {
  return local_endpoint(state_->listener);
}

std::vector<Served> TcpServer::connections() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<Served> all;
  for (const State::Connection& connection : state_->connections) {
    all.push_back(connection.served);
  }
  return all;
}

Served TcpServer::wait_for_connection(std::size_t n) const {
  Served found;
  const bool finished = eventually([&] {
    const auto all = connections();
    if (all.size() > n) {
      found = all[n];
    }
    return found.finished;
  });
  if (!finished) {
    give_up("connection " + std::to_string(n) + " to " + endpoint().to_string() +
            " did not finish");
  }
  return found;
}

void TcpServer::wait_for_accepted(std::size_t count) const {
  if (!eventually([&] { return connections().size() >= count; })) {
    give_up(endpoint().to_string() + " accepted only " + std::to_string(connections().size()));
  }
}

struct UdpServer::State {
  State(Answer reply, const std::string& where) : answer(std::move(reply)) {
    const base::SocketAddress at(any_port_of(where));
    socket = Fd::adopt(must_call(::socket(at.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
    must_call(::bind(socket.get(), at.data(), at.size()), "bind");
    thread = std::thread([this] { serve(); });
  }
  ~State() {
    stop.raise();
    thread.join();
  }

  void serve() {
    std::array<char, 65536> buffer{};
    while (stop.wait_for(socket)) {
      base::SocketAddress from;
      const auto size = ::recvfrom(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT,
                                   from.data(), &from.size());
      if (size < 0) {
        continue;  // an ICMP error of an earlier answer
      }
      const std::string payload(buffer.data(), static_cast<std::size_t>(size));
      const base::Endpoint sender = from.endpoint().value();
      {
        const std::lock_guard lock(mutex);
        received.push_back({sender, payload});
      }
      if (const auto reply = answer(payload, sender)) {
        (void)::sendto(socket.get(), reply->data(), reply->size(), 0, from.data(), from.size());
      }
    }
  }

  Answer answer;
  Fd socket;
  StopSignal stop;
  mutable std::mutex mutex;
  std::vector<Datagram> received;
  std::thread thread;
};

UdpServer::UdpServer(Answer answer, const std::string& address)
    : state_(std::make_unique<State>(std::move(answer), address)) {}
UdpServer::~UdpServer() = default;
UdpServer::UdpServer(UdpServer&&) noexcept = default;

UdpServer UdpServer::echo(const std::string& address) {
  return UdpServer([](const std::string& payload, const base::Endpoint&) { return payload; },
                   address);
}

UdpServer UdpServer::silent(const std::string& address) {
  return UdpServer([](const std::string&, const base::Endpoint&) { return std::nullopt; }, address);
}

base::Endpoint UdpServer::endpoint() const {
  return local_endpoint(state_->socket);
}

std::vector<UdpServer::Datagram> UdpServer::received() const {
  const std::lock_guard lock(state_->mutex);
  return state_->received;
}

std::vector<UdpServer::Datagram> UdpServer::wait_for_datagrams(std::size_t count) const {
  if (!eventually([&] { return received().size() >= count; })) {
    give_up(endpoint().to_string() + " received only " + std::to_string(received().size()));
  }
  return received();
}

void UdpServer::send_to(const base::Endpoint& to, const std::string& payload) const {
  const base::SocketAddress address(to);
  must_call(::sendto(state_->socket.get(), payload.data(), payload.size(), 0, address.data(),
                     address.size()),
            "sendto " + to.to_string());
}

base::Endpoint closed_port(const std::string& address) {
  return local_endpoint(listen_on(any_port_of(address)));
}

std::string url_of(const base::Endpoint& endpoint, const std::string& path) {
  return "http://" + endpoint.to_string() + path;
}

}  // namespace integration
