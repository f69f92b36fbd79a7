// New flows get a part of the time beside others that are busy, and all of it beside nobody else.

#include "gateway/opening/openings.h"

#include <array>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "gateway/onramp/tunnel.h"

namespace gateway {
namespace {

using namespace std::chrono_literals;

TenantSettings named(const std::string& name) {
  TenantSettings settings;
  settings.name = name;
  return settings;
}

class NoTunnel final : public Tunnel {
 public:
  using Tunnel::Tunnel;
  flows::WireCount send(const RawPacket& /*packet*/, const flows::Packet& /*parsed*/) override {
    return {};
  }
};

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
  void opened_waiting() override {}
  // Something always waits.
  void refill() {
    std::array<std::byte, 40> packet{};
    ASSERT_TRUE(openings_.wait(tunnel_, {.vnet = {}, .bytes = packet}));
  }
  // Its part is used up for hours.
  void exhaust() {
    const base::Instant now = base::Clock::now();
    openings_.time().spend(now - 1h, now);
  }
  template <class Predicate>
  void run_until(Predicate reached) {
    loop_.set_tick(base::Duration(0), [this, reached](base::Instant) {
      if (reached()) {
        loop_.stop();
      }
    });
    loop_.run();
  }

  EventLoop loop_ = std::move(EventLoop::create()).value();
  Openings openings_{loop_, *this};
  Tenant tenant_{named("acme")};
  NoTunnel tunnel_{TunnelInfo{}, tenant_};
  int opened_ = 0;
};

TEST_F(OpeningsTest, OpensAtOnceWhileThereIsTime) {
  EXPECT_TRUE(openings_.may_open(tunnel_));
  exhaust();
  EXPECT_FALSE(openings_.may_open(tunnel_));
}

TEST_F(OpeningsTest, NobodyOvertakesWhatWaitsOfHisTunnel) {
  refill();
  EXPECT_FALSE(openings_.may_open(tunnel_));
}

TEST_F(OpeningsTest, WhereNobodyElseIsBusyTheyNeedNoPart) {
  exhaust();
  refill();
  run_until([this] { return opened_ >= 100; });
}

TEST_F(OpeningsTest, BesideOthersTheyGetTheirPart) {
  refill();
  const Busy busy(loop_);
  run_until([this] { return opened_ >= 100; });
}

TEST_F(OpeningsTest, BesideOthersTheyGetNoMoreThanTheirPart) {
  exhaust();
  refill();
  const Busy busy(loop_);
  run_until([&] { return busy.turns >= 100; });
  EXPECT_EQ(opened_, 0);
}

}  // namespace
}  // namespace gateway
