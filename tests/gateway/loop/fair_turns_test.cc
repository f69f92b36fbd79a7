// What a tenant gets does not depend on how many tunnels another has, nor on how much those send.

#include "gateway/loop/fair_turns.h"

#include <functional>
#include <memory>
#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway {
namespace {

constexpr std::size_t kBatch = 64;

class FairTurnsTest : public testing::Test {
 protected:
  // Reads `batch` packets of `bytes` each time it is asked, `left` times.
  struct Sender final : FairTurns::Source {
    Served serve() override {
      served += packets * bytes;
      order->push_back(name);
      if (--left == 0 && dies) {
        turns->forget(*this);
      }
      if (comes_back) {
        comes_back();
        return {.packets = packets, .bytes = packets * bytes, .more = false};
      }
      return {.packets = packets, .bytes = packets * bytes, .more = left > 0 || dies};
    }
    char name = '?';
    std::size_t packets = kBatch;
    std::size_t bytes = 1400;
    int left = 1'000'000;
    bool dies = false;
    std::function<void()> comes_back;  // who has nothing more at once, but soon
    std::size_t served = 0;
    FairTurns* turns = nullptr;
    std::vector<char>* order = nullptr;
  };

  Sender& add(char name, FairTurns::Line& line) {
    senders_.push_back(std::make_unique<Sender>());
    Sender& sender = *senders_.back();
    sender.name = name;
    sender.turns = &turns_;
    sender.order = &order_;
    turns_.wants_turn(sender, line);
    return sender;
  }
  // So many turns of the loop, as one is taken each time it comes round; once for each test.
  void run(int rounds, const std::function<void()>& half_way = [] {}) {
    loop_.set_tick(base::Duration(0), [this, rounds, half_way, done = 0](base::Instant) mutable {
      if (++done == rounds / 2) {
        half_way();
      }
      if (done == rounds) {
        loop_.stop();
      }
    });
    loop_.run();
  }
  // From now on it leaves its line each time, and stands there again when the loop comes round.
  void have_it_come_back(Sender& sender, FairTurns::Line& line) {
    sender.comes_back = [&] { loop_.post([&] { turns_.wants_turn(sender, line); }); };
  }
  // What it was served has cost 2 KiB for each packet, besides its bytes.
  static double cost(const Sender& sender) {
    return static_cast<double>(sender.served) / static_cast<double>(sender.bytes) *
           static_cast<double>(sender.bytes + 2048);
  }
  static std::size_t total(const std::vector<Sender*>& senders) {
    return std::accumulate(senders.begin(), senders.end(), std::size_t{0},
                           [](std::size_t sum, const Sender* one) { return sum + one->served; });
  }

  EventLoop loop_ = std::move(EventLoop::create()).value();
  FairTurns turns_{loop_};
  std::vector<std::unique_ptr<Sender>> senders_;
  std::vector<char> order_;
  FairTurns::Line crowd_;
  FairTurns::Line single_;
};

TEST_F(FairTurnsTest, AHundredTunnelsOfOneTenantGetWhatOneOfAnotherGets) {
  std::vector<Sender*> many;
  for (int i = 0; i < 100; ++i) {
    many.push_back(&add('m', crowd_));
  }
  const Sender& one = add('o', single_);
  run(1000);
  EXPECT_NEAR(static_cast<double>(total(many)) / static_cast<double>(one.served), 1.0, 0.05);
  for (const Sender* sender : many) {  // and share it among themselves
    EXPECT_NEAR(static_cast<double>(sender->served), static_cast<double>(many[0]->served),
                kBatch * 1400.0);
  }
}

TEST_F(FairTurnsTest, SuperSegmentsArePaidFor) {
  Sender& bulk = add('b', crowd_);
  bulk.bytes = 65'000;
  const Sender& plain = add('p', single_);
  run(4000);
  EXPECT_NEAR(cost(bulk) / cost(plain), 1.0, 0.05);
}

TEST_F(FairTurnsTest, WhoLeavesAndComesBackStillOwesWhatItOverdrew) {
  Sender& bulk = add('b', crowd_);
  bulk.bytes = 65'000;
  have_it_come_back(bulk, crowd_);
  const Sender& plain = add('p', single_);
  run(4000);
  EXPECT_NEAR(cost(bulk) / cost(plain), 1.0, 0.05);
}

TEST_F(FairTurnsTest, WhoHadLittleToReadHasSavedNothingUp) {
  Sender& sparing = add('s', crowd_);
  sparing.packets = 1;
  have_it_come_back(sparing, crowd_);
  const Sender& plain = add('p', single_);
  std::size_t before = 0;
  run(1000, [&] {
    sparing.packets = kBatch;
    sparing.comes_back = nullptr;
    before = plain.served;
    sparing.served = 0;
  });
  ASSERT_GT(sparing.served, 0U);
  EXPECT_NEAR(static_cast<double>(sparing.served) / static_cast<double>(plain.served - before), 1.0,
              0.05);
}

TEST_F(FairTurnsTest, EmptyDatagramsAreNotFree) {
  Sender& empty = add('e', crowd_);
  empty.bytes = 0;
  const Sender& plain = add('p', single_);
  run(1000);
  EXPECT_GT(plain.served, 0U);
  EXPECT_LT(std::ranges::count(order_, 'e'), 2 * std::ranges::count(order_, 'p') + 2);
}

TEST_F(FairTurnsTest, WhoHasNothingMoreIsLeftAlone) {
  Sender& short_one = add('s', single_);
  short_one.left = 3;
  run(100, [&] {
    EXPECT_EQ(order_, std::vector<char>(3, 's'));
    short_one.left = 1;
    turns_.wants_turn(short_one, single_);
    turns_.wants_turn(short_one, single_);  // asking twice is asking once
  });
  EXPECT_EQ(order_.size(), 4U);
}

TEST_F(FairTurnsTest, ASourceMayGoWhileItIsServedAndWhileItWaits) {
  Sender& dying = add('d', crowd_);
  dying.left = 1;
  dying.dies = true;
  Sender& waiting = add('w', crowd_);
  turns_.forget(waiting);
  const Sender& other = add('o', crowd_);
  run(5);
  EXPECT_EQ(std::ranges::count(order_, 'd'), 1);
  EXPECT_EQ(std::ranges::count(order_, 'w'), 0);
  EXPECT_GT(other.served, 0U);
}

}  // namespace
}  // namespace gateway
