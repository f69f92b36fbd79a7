// New flows get a part of the time beside others that are busy, and more of it beside nobody else.

#include "gateway/opening/openings.h"

#include <sys/resource.h>

#include <array>
#include <chrono>
#include <memory>
#include <utility>

#include <gtest/gtest.h>

#include "tests/support/no_tunnel.h"

namespace gateway {
namespace {

using test_support::NoTunnel;
using test_support::tenant_named;
using namespace std::chrono_literals;

void be_busy(base::Duration time) {
  for (const auto until = base::Clock::now() + time; base::Clock::now() < until;) {
  }
}

class OpeningsTest : public testing::Test, private Openings::Owner {
 protected:
  // Somebody who always has something to do.
  struct Busy final : EventLoop::Handler {
    explicit Busy(EventLoop& of) : loop(of) { loop.again(*this); }
    ~Busy() { loop.unwatch({}, *this); }
    void on_ready(std::uint32_t /*events*/) override {
      be_busy(100us);
      ++turns;
      loop.again(*this);
    }
    EventLoop& loop;
    int turns = 0;
  };

  ~OpeningsTest() override { openings_.forget(tunnel_); }

  void open_waiting(const Arrivals::Arrival& /*arrival*/) override {
    be_busy(100us);
    ++opened_;
    refill();
  }
  // Something always waits.
  void refill() {
    std::array<std::byte, 40> packet{};
    ASSERT_TRUE(openings_.wait(tunnel_, {.vnet = {}, .bytes = packet}));
  }
  // Its part is used up, and as much again.
  void exhaust() {
    const base::Instant now = base::Clock::now();
    openings_.time().spend(now - 1h, now);
  }
  template <class Predicate>
  void run_until(Predicate reached, base::Duration tick = {}) {
    loop_.set_tick(tick, [this, reached](base::Instant) {
      if (reached()) {
        loop_.stop();
      }
    });
    loop_.run();
  }

  EventLoop loop_ = std::move(EventLoop::create()).value();
  Openings openings_{loop_, *this};
  Tenant tenant_{tenant_named("acme")};
  NoTunnel tunnel_{tenant_};
  int opened_ = 0;
};

TEST_F(OpeningsTest, OpensAtOnceWhileThereIsTime) {
  EXPECT_TRUE(openings_.may_open());
  exhaust();
  EXPECT_FALSE(openings_.may_open());
}

TEST_F(OpeningsTest, NobodyOvertakesWhatWaits) {
  refill();
  EXPECT_FALSE(openings_.may_open());
}

TEST_F(OpeningsTest, WhereNobodyElseIsBusyTheyGetMoreThanTheirPart) {
  refill();
  run_until([this] {
    exhaust();
    return opened_ >= 200;
  });
}

// A loop that polled until there is time again would take from others on the same processor.
TEST_F(OpeningsTest, TheLoopSleepsUntilThereIsTimeAgain) {
  refill();
  rusage before{}, after{};
  ::getrusage(RUSAGE_THREAD, &before);
  const base::Instant began = base::Clock::now();
  run_until([this] { return opened_ >= 500; }, 1ms);
  const base::Duration took = base::Clock::now() - began;
  ::getrusage(RUSAGE_THREAD, &after);
  const auto spent = [](const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  };
  EXPECT_LT(spent(after.ru_utime) + spent(after.ru_stime) - spent(before.ru_utime) -
                spent(before.ru_stime),
            took * 3 / 4);
}

TEST_F(OpeningsTest, BesideOthersTheyGetNoMoreThanTheirPart) {
  exhaust();
  refill();
  const Busy busy(loop_);
  run_until([&] {
    exhaust();
    return busy.turns >= 100;
  });
  EXPECT_EQ(opened_, 0);
}

// What was opened while nobody else wanted the time is not held against those who come later. A
// turn of Busy takes 100 us at least, and a full debt is paid back after 50 ms.
TEST_F(OpeningsTest, BesideOthersTheyGetTheirPartHoweverMuchTheyHadBefore) {
  refill();
  std::unique_ptr<Busy> busy;
  int before = 0;
  run_until([&] {
    if (opened_ >= 2000 && !busy) {
      busy = std::make_unique<Busy>(loop_);
      before = opened_;
    }
    return busy && opened_ > before;
  });
  EXPECT_LE(busy->turns, 600);
}

}  // namespace
}  // namespace gateway
