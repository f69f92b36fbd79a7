// A relay between two real TCP connections over loopback: what one far end does, the other sees.
//
//     client ==TCP==> [accepted] relay [dialled] ==TCP==> upstream

#include "gateway/relay/tcp_relay.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/endpoint.h"
#include "gateway/bandwidth/timer_alarm.h"
#include "gateway/loop/tcp_socket.h"

namespace gateway {
namespace {

using base::Fd;
using namespace std::chrono_literals;

constexpr auto kPatience = 10s;

struct Pair {
  Fd near;  // the relay's
  Fd far;   // the test's
};

// A TCP connection over loopback; `near` is non-blocking, `far` blocks (with a limit).
Pair connected_pair() {
  const Fd listener = Fd::adopt(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  base::SocketAddress address(base::Endpoint{base::IpAddress::v4(0x7f000001), base::Port{0}});
  EXPECT_EQ(::bind(listener.get(), address.data(), address.size()), 0);
  EXPECT_EQ(::listen(listener.get(), 1), 0);
  EXPECT_EQ(::getsockname(listener.get(), address.data(), &address.size()), 0);
  Pair pair;
  pair.far = Fd::adopt(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(pair.far.get(), address.data(), address.size()), 0);
  const timeval limit{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(pair.far.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  ::setsockopt(pair.far.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  pair.near = Fd::adopt(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  EXPECT_TRUE(pair.near.is_open());
  return pair;
}

void abort_on_close(const Fd& fd) {
  const linger abort{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
}

// Everything up to the end of the stream; `error` is errno when it did not end with a FIN.
struct Received {
  std::string bytes;
  int error = 0;
};
Received receive_all(const Fd& fd) {
  Received received;
  std::string chunk(1 << 16, '\0');
  for (;;) {
    const ssize_t got = ::recv(fd.get(), chunk.data(), chunk.size(), 0);
    if (got <= 0) {
      received.error = got < 0 ? errno : 0;
      return received;
    }
    received.bytes.append(chunk, 0, static_cast<std::size_t>(got));
  }
}

bool send_all(const Fd& fd, const std::string& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t now = ::send(fd.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (now <= 0) {
      return false;
    }
    sent += static_cast<std::size_t>(now);
  }
  return true;
}

std::string pattern(std::size_t bytes) {
  std::string text(bytes, '\0');
  std::uint32_t state = 1;
  std::ranges::generate(text, [&state] {
    state = state * 1664525U + 1013904223U;
    return static_cast<char>(state >> 24U);
  });
  return text;
}

class RelayTest : public testing::Test, public TcpRelay::Owner {
 protected:
  RelayTest() : RelayTest(nullptr) {}
  explicit RelayTest(TcpRelay::Watcher* watcher) {
    Pair up = connected_pair();
    Pair down = connected_pair();
    client_ = std::move(up.far);
    upstream_ = std::move(down.far);
    set_relay_options(up.near);
    set_relay_options(down.near);
    relay_.emplace(loop_, pipes_, std::move(up.near), std::move(down.near), *this);
    if (watcher != nullptr) {
      relay_->watch(*watcher);
    }
    EXPECT_TRUE(relay_->start());
    loop_.set_tick(20ms, [this](base::Instant now) {
      if (relay_ && relay_->is_resetting()) {
        relay_->settle(now);
      }
    });
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~RelayTest() override {
    loop_.stop();
    thread_.join();
  }

  void relay_ended(TcpRelay& relay, TcpRelay::Outcome outcome) override {
    up_bytes_ = relay.up_bytes();
    down_bytes_ = relay.down_bytes();
    relay_.reset();
    outcome_.store(static_cast<int>(outcome));
  }
  void relay_lingers(TcpRelay& /*relay*/) override {}

  // The outcome, once there is one.
  std::optional<TcpRelay::Outcome> outcome() {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (outcome_.load() < 0 && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
    const int value = outcome_.load();
    return value < 0 ? std::nullopt : std::optional(static_cast<TcpRelay::Outcome>(value));
  }

  EventLoop loop_ = EventLoop::create().value();
  PipePool pipes_;
  std::optional<TcpRelay> relay_;
  Fd client_;
  Fd upstream_;
  std::atomic<int> outcome_ = -1;
  std::uint64_t up_bytes_ = 0;
  std::uint64_t down_bytes_ = 0;
  std::thread thread_;
};

// Has seen enough of a side after `most` bytes.
struct Recorder final : TcpRelay::Watcher {
  bool passes(flows::Side sender, std::uint64_t offset, std::span<const std::byte> bytes) override {
    std::string& seen = sender == flows::Side::kInitiator ? of_client : of_upstream;
    EXPECT_EQ(offset, seen.size());
    seen.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return seen.size() < most;
  }

  std::size_t most = 100'000;
  std::string of_client;
  std::string of_upstream;
};
struct HasRecorder {
  Recorder recorder_;
};
class WatchedRelayTest : protected HasRecorder, public RelayTest {
 protected:
  WatchedRelayTest() : RelayTest(&recorder_) {}
};

TEST_F(WatchedRelayTest, ShowsWhatPassesUntilItsWatcherHasSeenEnough) {
  const std::string request = pattern(3 << 20);
  std::thread server([&] {
    EXPECT_EQ(receive_all(upstream_).bytes, request);
    EXPECT_TRUE(send_all(upstream_, "short"));
    ::shutdown(upstream_.get(), SHUT_WR);
  });
  ASSERT_TRUE(send_all(client_, request));
  ::shutdown(client_.get(), SHUT_WR);
  EXPECT_EQ(receive_all(client_).bytes, "short");
  server.join();

  ASSERT_EQ(outcome(), TcpRelay::Outcome::kClosed);
  EXPECT_GE(recorder_.of_client.size(), recorder_.most);
  EXPECT_LT(recorder_.of_client.size(), recorder_.most + 64 * 1024);
  EXPECT_EQ(recorder_.of_client, request.substr(0, recorder_.of_client.size()));
  EXPECT_EQ(recorder_.of_upstream, "short");
}

// A receiver that takes nothing for a while, so that bytes wait in the pipe.
TEST_F(WatchedRelayTest, ShowsEachByteOnceWhereTheReceiverIsSlow) {
  recorder_.most = std::size_t{1} << 30U;
  const std::string request = pattern(12 << 20);
  std::thread client([&] {
    EXPECT_TRUE(send_all(client_, request));
    ::shutdown(client_.get(), SHUT_WR);
  });
  std::this_thread::yield();
  EXPECT_EQ(receive_all(upstream_).bytes, request);
  ::shutdown(upstream_.get(), SHUT_WR);
  client.join();
  ASSERT_EQ(outcome(), TcpRelay::Outcome::kClosed);
  EXPECT_TRUE(recorder_.of_client == request);
}

TEST_F(RelayTest, CarriesBytesBothWaysAndEndsWithBothFins) {
  const std::string request = pattern(3 << 20);
  const std::string answer = pattern(5 << 20);
  std::thread server([&] {
    EXPECT_EQ(receive_all(upstream_).bytes, request);
    EXPECT_TRUE(send_all(upstream_, answer));
    ::shutdown(upstream_.get(), SHUT_WR);
  });
  ASSERT_TRUE(send_all(client_, request));
  ::shutdown(client_.get(), SHUT_WR);
  const Received received = receive_all(client_);
  server.join();

  EXPECT_EQ(received.bytes, answer);
  EXPECT_EQ(received.error, 0);
  EXPECT_EQ(outcome(), TcpRelay::Outcome::kClosed);
  EXPECT_EQ(up_bytes_, request.size());
  EXPECT_EQ(down_bytes_, answer.size());
  EXPECT_EQ(pipes_.in_use(), 0u);
}

// Pitfall 2b #18: one end of stream must not close the other direction.
TEST_F(RelayTest, ClientThatHalfClosesStillGetsItsAnswer) {
  ASSERT_TRUE(send_all(client_, "question"));
  ::shutdown(client_.get(), SHUT_WR);
  EXPECT_EQ(receive_all(upstream_).bytes, "question");

  ASSERT_TRUE(send_all(upstream_, "answer"));
  upstream_.reset();
  EXPECT_EQ(receive_all(client_).bytes, "answer");
  EXPECT_EQ(outcome(), TcpRelay::Outcome::kClosed);
}

TEST_F(RelayTest, ServerThatHalfClosesStillHearsTheClient) {
  ::shutdown(upstream_.get(), SHUT_WR);
  EXPECT_EQ(receive_all(client_).error, 0);
  ASSERT_TRUE(send_all(client_, "late"));
  client_.reset();
  EXPECT_EQ(receive_all(upstream_).bytes, "late");
  EXPECT_EQ(outcome(), TcpRelay::Outcome::kClosed);
}

// Pitfall 2b #16: an RST must not arrive as a FIN.
TEST_F(RelayTest, ResetByTheClientReachesTheUpstreamAsReset) {
  ASSERT_TRUE(send_all(client_, "x"));
  std::string byte(1, '\0');
  ASSERT_EQ(::recv(upstream_.get(), byte.data(), 1, 0), 1);
  abort_on_close(client_);
  client_.reset();
  EXPECT_EQ(receive_all(upstream_).error, ECONNRESET);
  EXPECT_EQ(outcome(), TcpRelay::Outcome::kResetByClient);
}

// A server that answers and closes with the request unread sends its answer, then an RST. On a
// direct path the answer arrives.
TEST_F(RelayTest, WhatWasSentBeforeAResetIsDeliveredBeforeIt) {
  const std::string answer = pattern(300'000);
  ASSERT_TRUE(send_all(upstream_, answer));
  abort_on_close(upstream_);
  pollfd writable{.fd = upstream_.get(), .events = POLLOUT, .revents = 0};
  ASSERT_EQ(::poll(&writable, 1, 10'000), 1);
  int unsent = 1;
  while (unsent > 0) {  // an RST discards what its own side has not sent yet
    ASSERT_EQ(::ioctl(upstream_.get(), SIOCOUTQ, &unsent), 0);
  }
  upstream_.reset();

  const Received received = receive_all(client_);
  EXPECT_EQ(received.bytes.size(), answer.size());
  EXPECT_EQ(received.error, ECONNRESET);
  EXPECT_EQ(outcome(), TcpRelay::Outcome::kResetByUpstream);
}

// Pitfall 2b #17: data, FIN and HUP in one event are data and a FIN, never an abort.
TEST_F(RelayTest, LastBytesAndCloseInOneGoAreNoReset) {
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(send_all(client_, "ping"));
  }
  ::shutdown(client_.get(), SHUT_WR);
  EXPECT_EQ(receive_all(upstream_).bytes.size(), 200u);
  ASSERT_TRUE(send_all(upstream_, "bye"));
  upstream_.reset();
  const Received received = receive_all(client_);
  EXPECT_EQ(received.bytes, "bye");
  EXPECT_EQ(received.error, 0);
  EXPECT_EQ(outcome(), TcpRelay::Outcome::kClosed);
}

// splice(2) stops at the urgent mark for ever; urgent data counts as ordinary (RFC 6093).
TEST_F(RelayTest, UrgentDataIsOrdinaryDataAndStallsNothing) {
  const std::string before = pattern(100'000);
  const std::string after = pattern(200'000);
  std::thread sender([&] {
    EXPECT_TRUE(send_all(client_, before));
    EXPECT_EQ(::send(client_.get(), "!", 1, MSG_OOB), 1);
    EXPECT_TRUE(send_all(client_, after));
    ::shutdown(client_.get(), SHUT_WR);
  });
  const Received received = receive_all(upstream_);
  sender.join();
  EXPECT_EQ(received.bytes, before + "!" + after);
}

TEST_F(RelayTest, SlowReaderStopsTheSenderAndLosesNothing) {
  const std::string bytes = pattern(20 << 20);
  std::thread sender([&] {
    EXPECT_TRUE(send_all(client_, bytes));
    client_.reset();
  });
  std::string first(1, '\0');
  ASSERT_EQ(::recv(upstream_.get(), first.data(), 1, 0), 1);
  const std::string rest = receive_all(upstream_).bytes;
  sender.join();
  EXPECT_EQ(first + rest, bytes);
}

// Bounded to 16 Mbit/s: 2 MB a second, with shares of 10 kB.
class PacedRelayTest : public RelayTest {
 protected:
  PacedRelayTest() {
    loop_.post([this] {
      EXPECT_TRUE(alarm_.start(pacer_));
      relay_->set_bounds({.rule = &bound_}, pacer_);
      ready_ = true;
    });
    while (!ready_) {
      std::this_thread::yield();
    }
  }
  // The alarm and the bound go before the loop does.
  ~PacedRelayTest() override {
    loop_.post([this] {
      relay_.reset();
      ready_ = false;
    });
    while (ready_) {
      std::this_thread::yield();
    }
  }

  Bandwidth bound_{16'000'000, base::Clock::now()};
  TimerAlarm alarm_{loop_, TimerAlarm::make_timer().value()};
  Pacer pacer_{alarm_};
  std::atomic<bool> ready_ = false;
};

TEST_F(PacedRelayTest, CarriesBytesBothWaysNoFasterThanItsBound) {
  const std::string request = pattern(1'000'000);
  const std::string answer = pattern(1'000'000);
  const auto begin = std::chrono::steady_clock::now();
  std::thread server([&] {
    EXPECT_EQ(receive_all(upstream_).bytes, request);
    EXPECT_TRUE(send_all(upstream_, answer));
    ::shutdown(upstream_.get(), SHUT_WR);
  });
  ASSERT_TRUE(send_all(client_, request));
  ::shutdown(client_.get(), SHUT_WR);
  const Received received = receive_all(client_);
  server.join();
  EXPECT_EQ(received.bytes, answer);
  EXPECT_EQ(received.error, 0);
  EXPECT_EQ(outcome(), TcpRelay::Outcome::kClosed);
  // 2 MB at 2 MB a second, less the burst of 200 kB.
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 850ms);
}

TEST_F(PacedRelayTest, GoesOnAtOnceWhenItsBoundIsTakenAway) {
  loop_.post([this] { bound_.set_rate(8'000, base::Clock::now()); });  // for the rest: 15 minutes
  const std::string bytes = pattern(1'000'000);
  std::thread sender([&] {
    EXPECT_TRUE(send_all(client_, bytes));
    ::shutdown(client_.get(), SHUT_WR);
  });
  std::string first(1'000, '\0');
  ASSERT_EQ(::recv(upstream_.get(), first.data(), first.size(), MSG_WAITALL), 1'000);
  loop_.post([this] { relay_->set_bounds({}, pacer_); });
  EXPECT_EQ(first + receive_all(upstream_).bytes, bytes);
  sender.join();
}

TEST_F(PacedRelayTest, ResetOfOneThatWaitsReachesTheOtherEnd) {
  const std::string bytes = pattern(3'000'000);
  std::thread sender([&] {
    EXPECT_TRUE(send_all(client_, bytes.substr(0, 1'000'000)));
    abort_on_close(client_);
    client_.reset();
  });
  EXPECT_EQ(receive_all(upstream_).error, ECONNRESET);
  sender.join();
  EXPECT_EQ(outcome(), TcpRelay::Outcome::kResetByClient);
}

// Else one relay would keep the loop from all others, and a bound would be overdrawn.
TEST(Pump, MovesItsShareInATurnAndNoMore) {
  constexpr std::size_t kShare = 10'000;
  const std::string bytes = pattern(6 * kShare);
  PipePool pipes;
  Pair up = connected_pair();
  Pair down = connected_pair();
  Pump pump;
  ASSERT_TRUE(send_all(up.far, bytes));
  for (int waiting = 0; waiting < static_cast<int>(bytes.size());) {
    ASSERT_EQ(::ioctl(up.near.get(), SIOCINQ, &waiting), 0);
  }
  for (std::size_t turn = 1; turn <= 4; ++turn) {
    EXPECT_EQ(pump.run(up.near, down.near, pipes, false, kShare), Pump::Step::kBudget);
    EXPECT_EQ(pump.moved_bytes(), turn * kShare);
  }
  std::string got(4 * kShare, '\0');
  EXPECT_EQ(::recv(down.far.get(), got.data(), got.size(), MSG_WAITALL), std::ssize(got));
  EXPECT_EQ(got, bytes.substr(0, got.size()));
}

TEST(Pump, KeepsWhatTheReceiverDoesNotTakeYet) {
  PipePool pipes;
  Pair up = connected_pair();
  Pair down = connected_pair();
  Pump pump;
  std::string filling;
  const std::string chunk = pattern(50'000);
  for (ssize_t sent = 0; sent >= 0;) {
    sent = ::send(down.near.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    filling += chunk.substr(0, static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
  }
  ASSERT_EQ(errno, EAGAIN);
  ASSERT_TRUE(send_all(up.far, "later"));
  pollfd readable{.fd = up.near.get(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&readable, 1, 10'000), 1);

  EXPECT_EQ(pump.run(up.near, down.near, pipes, false), Pump::Step::kBlocked);
  EXPECT_TRUE(pump.is_blocked());
  EXPECT_EQ(pump.moved_bytes(), 0u);
  EXPECT_EQ(pipes.in_use(), 1u) << "it waits in a pipe";

  std::string got(filling.size(), '\0');
  ASSERT_EQ(::recv(down.far.get(), got.data(), got.size(), MSG_WAITALL), std::ssize(got));
  pollfd writable{.fd = down.near.get(), .events = POLLOUT, .revents = 0};
  ASSERT_EQ(::poll(&writable, 1, 10'000), 1);
  EXPECT_EQ(pump.run(up.near, down.near, pipes, false), Pump::Step::kIdle);
  got.resize(5);
  EXPECT_EQ(::recv(down.far.get(), got.data(), got.size(), MSG_WAITALL), 5);
  EXPECT_EQ(got, "later");
  EXPECT_EQ(pipes.in_use(), 0u);
}

// Without a signal: the process would end.
TEST(Pump, SaysThatTheReceiverIsGone) {
  PipePool pipes;
  Pair up = connected_pair();
  Pair down = connected_pair();
  Pump pump;
  abort_on_close(down.far);
  down.far.reset();
  pollfd gone{.fd = down.near.get(), .events = 0, .revents = 0};
  ASSERT_EQ(::poll(&gone, 1, 10'000), 1);
  int error = 0;  // whoever asks takes it away; then send(2) says EPIPE
  socklen_t size = sizeof(error);
  ASSERT_EQ(::getsockopt(down.near.get(), SOL_SOCKET, SO_ERROR, &error, &size), 0);
  EXPECT_EQ(error, ECONNRESET);
  ASSERT_TRUE(send_all(up.far, "to nobody"));
  pollfd readable{.fd = up.near.get(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&readable, 1, 10'000), 1);

  EXPECT_EQ(pump.run(up.near, down.near, pipes, false), Pump::Step::kWriteFailed);
  EXPECT_EQ(pump.error(), EPIPE);
  EXPECT_EQ(pipes.in_use(), 0u);
}

// EMFILE is a handled state: without a pipe, bytes go through all the same.
TEST(PipePool, RelayWorksWithoutASinglePipe) {
  EventLoop loop = EventLoop::create().value();
  PipePool pipes;
  Pair up = connected_pair();
  Pair down = connected_pair();
  Pump pump;
  ASSERT_TRUE(send_all(up.far, "through"));
  std::vector<Fd> hoard;
  for (int fd = ::dup(up.far.get()); fd >= 0; fd = ::dup(up.far.get())) {
    hoard.push_back(Fd::adopt(fd));
  }
  ASSERT_EQ(errno, EMFILE);
  EXPECT_FALSE(pipes.take().has_value());
  pollfd readable{.fd = up.near.get(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&readable, 1, 10'000), 1);

  EXPECT_EQ(pump.run(up.near, down.near, pipes, false), Pump::Step::kIdle);
  std::string got(7, '\0');
  EXPECT_EQ(::recv(down.far.get(), got.data(), got.size(), MSG_WAITALL), 7);
  EXPECT_EQ(got, "through");
}

}  // namespace
}  // namespace gateway
