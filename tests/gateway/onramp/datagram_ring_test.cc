#include "gateway/onramp/datagram_ring.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace gateway {
namespace {

constexpr std::size_t kCapacity = DatagramRing::kLeastCapacity;
const base::Endpoint kPeer = *base::Endpoint::parse("192.0.2.5:6080");
const base::IpAddress kLocal = *base::IpAddress::parse("2001:db8::9");

std::vector<std::byte> bytes_of(std::size_t count, std::size_t number) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i) {
    bytes[i] = static_cast<std::byte>(number * 31 + i);
  }
  return bytes;
}

bool push(DatagramRing& ring, std::vector<std::byte> bytes) {
  return ring.push({.from = kPeer, .to = kLocal, .bytes = bytes});
}

TEST(DatagramRing, GivesWhatItWasGivenAndFromWhom) {
  DatagramRing ring(kCapacity);
  EXPECT_EQ(ring.take(), std::nullopt);
  ASSERT_TRUE(push(ring, bytes_of(100, 1)));
  ASSERT_TRUE(push(ring, {}));
  const auto first = ring.take();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->from, kPeer);
  EXPECT_EQ(first->to, kLocal);
  EXPECT_TRUE(std::ranges::equal(first->bytes, bytes_of(100, 1)));
  EXPECT_EQ(ring.take()->bytes.size(), 0U);
  EXPECT_EQ(ring.take(), std::nullopt);
}

TEST(DatagramRing, WhatWasTakenAndItsHeadroomMayBeWrittenUntilItIsReleased) {
  DatagramRing ring(kCapacity);
  ASSERT_TRUE(push(ring, bytes_of(100, 1)) && push(ring, bytes_of(100, 2)));
  const auto first = ring.take();
  const auto second = ring.take();
  std::fill_n(first->bytes.data() - 16, 16, std::byte{0xff});
  std::fill_n(second->bytes.data() - 16, 16, std::byte{0xff});
  EXPECT_TRUE(std::ranges::equal(first->bytes, bytes_of(100, 1)));
  EXPECT_TRUE(std::ranges::equal(second->bytes, bytes_of(100, 2)));
}

TEST(DatagramRing, TakesTheLongestDatagramWhereverItStands) {
  DatagramRing ring(kCapacity);
  for (std::size_t round = 0; round < 50; ++round) {
    ASSERT_TRUE(push(ring, bytes_of(round * 97 % 1000, round)));
    ASSERT_TRUE(ring.take());
    ring.release();
    ASSERT_TRUE(push(ring, bytes_of(DatagramRing::kMostBytes, round))) << round;
    EXPECT_TRUE(std::ranges::equal(ring.take()->bytes, bytes_of(DatagramRing::kMostBytes, round)));
    ring.release();
  }
}

TEST(DatagramRing, HasNoRoomUntilSomethingIsReleased) {
  DatagramRing ring(kCapacity);
  std::size_t pushed = 0;
  while (push(ring, bytes_of(1000, pushed))) {
    ++pushed;
  }
  EXPECT_EQ(pushed, kCapacity / 1088);
  ASSERT_TRUE(ring.take());
  EXPECT_FALSE(push(ring, bytes_of(1000, 0))) << "it is still read";
  ring.release();
  EXPECT_TRUE(push(ring, bytes_of(1000, pushed)));
  for (std::size_t i = 1; i <= pushed; ++i) {
    const auto next = ring.take();
    ASSERT_TRUE(next);
    EXPECT_TRUE(std::ranges::equal(next->bytes, bytes_of(1000, i))) << i;
  }
}

TEST(DatagramRing, IsAQueueInAnyOrderOfPushingAndTaking) {
  DatagramRing ring(kCapacity);
  std::minstd_rand random(1);
  std::deque<std::vector<std::byte>> model;
  for (std::size_t step = 0; step < 20'000; ++step) {
    if (random() % 2 == 0) {
      auto bytes = bytes_of(random() % (step % 50 == 0 ? 60'000 : 1500), step);
      if (push(ring, bytes)) {
        model.push_back(std::move(bytes));
      } else {
        ASSERT_FALSE(model.empty());
      }
    } else if (const auto taken = ring.take()) {
      ASSERT_FALSE(model.empty());
      ASSERT_TRUE(std::ranges::equal(taken->bytes, model.front())) << step;
      model.pop_front();
    } else {
      ASSERT_TRUE(model.empty());
    }
    if (random() % 3 == 0) {
      ring.release();
    }
  }
}

TEST(DatagramRing, CarriesFromOneThreadToAnother) {
  constexpr std::size_t kCount = 20'000;
  DatagramRing ring(kCapacity);
  std::thread pusher([&] {
    for (std::size_t i = 0; i < kCount;) {
      if (push(ring, bytes_of(i % 1500, i))) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < kCount;) {
    if (const auto taken = ring.take()) {
      wrong += std::ranges::equal(taken->bytes, bytes_of(i % 1500, i)) ? 0U : 1U;
      ++i;
      ring.release();
    } else {
      std::this_thread::yield();
    }
  }
  pusher.join();
  EXPECT_EQ(wrong, 0U);
}

}  // namespace
}  // namespace gateway
