// The pool with a real sandbox's helper at the other end.

#include "gateway/downgrade/socket_pool.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <csignal>
#include <functional>
#include <future>
#include <optional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/sandbox_support.h"

namespace gateway {
namespace {

using base::Fd;
using test_support::plain_sandbox;

// The loop runs on a thread of its own; the test asks there.
class PoolUnderTest final : public SocketPool::Owner {
 public:
  template <class Task>
  auto ask(Task task) {
    std::packaged_task<decltype(task())()> packaged(std::move(task));
    auto answer = packaged.get_future();
    loop_.post([&packaged] { packaged(); });
    return answer.get();
  }

  PoolUnderTest() : thread_([this] { loop_.run(); }) {}
  ~PoolUnderTest() {
    ask([this] { pool.uninstall(); });
    loop_.stop();
    thread_.join();
  }

  void sockets_arrived(bool v4, bool failed) override {
    arrivals.push_back({v4, failed});
    if (on_arrival) {
      on_arrival(v4, failed);
    }
  }

  bool reaches(std::size_t size) {
    return eventually([&] { return pool.size() == size; });
  }
  bool eventually(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + test_support::kPatience;
    while (!ask([&] { return holds(); })) {
      if (std::chrono::steady_clock::now() > deadline) {
        return false;
      }
      std::this_thread::yield();
    }
    return true;
  }

  struct Arrival {
    bool v4;
    bool failed;
  };
  std::vector<Arrival> arrivals;
  std::function<void(bool, bool)> on_arrival;

 private:
  EventLoop loop_ = EventLoop::create().value();

 public:
  SocketPool pool{loop_, *this};

 private:
  std::thread thread_;
};

std::size_t lowest_free_number() {
  return static_cast<std::size_t>(Fd::adopt(::dup(0)).get());
}

int family_of(const Fd& socket) {
  int family = 0;
  socklen_t size = sizeof(family);
  ::getsockopt(socket.get(), SOL_SOCKET, SO_DOMAIN, &family, &size);
  return family;
}

TEST(SocketPool, OrdersNothingUntilSomebodyUsesIt) {
  START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  PoolUnderTest test;
  ASSERT_TRUE(test.ask([&] { return test.pool.install(sandbox); }));
  EXPECT_FALSE(test.ask([&] { return test.pool.is_filling(true); }));

  test.ask([&] { test.pool.keep_filled(); });

  EXPECT_TRUE(test.reaches(2 * SocketPool::kFull));
}

TEST(SocketPool, SocketsAreOfTheSandboxAndNotOfTheHost) {
  START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  PoolUnderTest test;
  test.ask([&] { test.pool.keep_filled(); });
  ASSERT_TRUE(test.ask([&] { return test.pool.install(sandbox); }));
  ASSERT_TRUE(test.reaches(2 * SocketPool::kFull));

  const Fd v4 = test.ask([&] { return test.pool.take(true); });
  const Fd v6 = test.ask([&] { return test.pool.take(false); });

  EXPECT_EQ(family_of(v4), AF_INET);
  EXPECT_EQ(family_of(v6), AF_INET6);
  const base::SocketAddress inside({test_support::address("198.18.0.1"), base::Port{0}});
  EXPECT_EQ(::bind(v4.get(), inside.data(), inside.size()), 0) << "an address of the sandbox";
  const auto host = Fd::adopt(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_NE(::bind(host.get(), inside.data(), inside.size()), 0) << "and not of the host";
}

TEST(SocketPool, IsRefilledBelowTheLowMarkOnly) {
  START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  PoolUnderTest test;
  test.ask([&] { test.pool.keep_filled(); });
  ASSERT_TRUE(test.ask([&] { return test.pool.install(sandbox); }));
  ASSERT_TRUE(test.reaches(2 * SocketPool::kFull));
  const auto take = [&](std::size_t count) {
    test.ask([&] {
      for (std::size_t i = 0; i < count; ++i) {
        EXPECT_TRUE(test.pool.take(true).is_open());
      }
    });
  };

  take(SocketPool::kFull - SocketPool::kLow);
  EXPECT_FALSE(test.ask([&] { return test.pool.is_filling(true); }));
  take(1);

  EXPECT_TRUE(test.reaches(2 * SocketPool::kFull));
  EXPECT_EQ(test.arrivals.size(), 3U);
}

TEST(SocketPool, BurstThatEmptiesItIsServedByWhatArrives) {
  START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  PoolUnderTest test;
  constexpr std::size_t kBurst = 1'000;  // more than one message can carry
  std::size_t served = 0;
  std::size_t waiting = 0;
  const auto take_all = [&] {
    for (waiting = 0; served < kBurst; ++served) {
      if (!test.pool.take(false).is_open()) {
        waiting = kBurst - served;
        EXPECT_TRUE(test.pool.is_filling(false));
        return;
      }
    }
  };
  test.on_arrival = [&](bool, bool failed) {
    EXPECT_FALSE(failed);
    take_all();
  };
  ASSERT_TRUE(test.ask([&] { return test.pool.install(sandbox); }));

  test.ask(take_all);

  EXPECT_TRUE(test.eventually([&] { return served == kBurst; }));
  test.ask([&] { test.on_arrival = nullptr; });  // what refills it comes when `served` is gone
}

TEST(SocketPool, DeathOfTheHelperAnswersEveryOrderWithNothing) {
  START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  PoolUnderTest test;
  ASSERT_TRUE(test.ask([&] { return test.pool.install(sandbox); }));
  ::kill(sandbox.pid(), SIGSTOP);  // so that the order is under way when it dies
  test.ask([&] { EXPECT_FALSE(test.pool.take(true).is_open()); });
  EXPECT_TRUE(test.ask([&] { return test.pool.is_filling(true); }));

  ::kill(sandbox.pid(), SIGKILL);

  ASSERT_TRUE(test.eventually([&] { return test.arrivals.size() == 1; }));
  EXPECT_TRUE(test.arrivals[0].v4 && test.arrivals[0].failed);
  test.ask([&] {
    EXPECT_FALSE(test.pool.take(true).is_open());
    EXPECT_FALSE(test.pool.is_filling(true)) << "there is nobody to ask";
  });
}

TEST(SocketPool, NextSandboxFillsItAgainAndTheOldSocketsAreGone) {
  START_SANDBOX_OR_SKIP(first, plain_sandbox());
  START_SANDBOX_OR_SKIP(second, plain_sandbox());
  PoolUnderTest test;
  test.ask([&] { test.pool.keep_filled(); });
  ASSERT_TRUE(test.ask([&] { return test.pool.install(first); }));
  ASSERT_TRUE(test.reaches(2 * SocketPool::kFull));
  const std::size_t before = test_support::open_descriptors();

  test.ask([&] { test.pool.uninstall(); });
  EXPECT_EQ(test_support::open_descriptors(), before - 2 * SocketPool::kFull);
  ASSERT_TRUE(test.ask([&] { return test.pool.install(second); }));

  EXPECT_TRUE(test.reaches(2 * SocketPool::kFull));
  EXPECT_EQ(test_support::open_descriptors(), before);
}

TEST(SocketPool, WantOfDescriptorsFailsTheOrderAndNotThePool) {
  START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  PoolUnderTest test;
  ASSERT_TRUE(test.ask([&] { return test.pool.install(sandbox); }));
  rlimit plenty{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &plenty), 0);
  const rlimit few{.rlim_cur = lowest_free_number() + 3, .rlim_max = plenty.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);

  test.ask([&] { EXPECT_FALSE(test.pool.take(true).is_open()); });
  const bool answered = test.eventually([&] { return !test.arrivals.empty(); });
  ::setrlimit(RLIMIT_NOFILE, &plenty);

  ASSERT_TRUE(answered);
  EXPECT_TRUE(test.arrivals[0].failed);
  test.ask([&] { EXPECT_FALSE(test.pool.take(true).is_open()); });
  EXPECT_TRUE(test.reaches(SocketPool::kFull + 1)) << "the next order works";
}

}  // namespace
}  // namespace gateway
