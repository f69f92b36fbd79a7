#include "gateway/capture/capture_ring.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <string_view>
#include <thread>

#include <gtest/gtest.h>

#include "gateway/capture/capture_memory.h"

namespace gateway {
namespace {

using Read = CaptureRingReader::Read;

constexpr std::size_t kRingBytes = 1024;

struct TestRing {
  alignas(64) std::byte memory[sizeof(CaptureRingHeader) + kRingBytes]{};
  CaptureRingWriter writer{memory};
  CaptureRingReader reader{memory};
  CaptureRingReader::Captured captured;

  bool put(std::string_view packet, std::uint64_t flow = 1) {
    if (!writer.hold({.flow = flow}, std::as_bytes(std::span(packet.data(), packet.size())))) {
      return false;
    }
    writer.commit(1);
    return true;
  }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(captured.packet.data()), captured.packet.size()};
  }
};

TEST(CaptureRing, GivesBackWhatWasPutInInOrder) {
  TestRing ring;
  EXPECT_TRUE(ring.put("one", 1));
  EXPECT_TRUE(ring.put("", 2));
  EXPECT_TRUE(ring.put("three", 3));
  for (const std::string_view expected : {"one", "", "three"}) {
    ASSERT_EQ(ring.reader.next(ring.captured), Read::kPacket);
    EXPECT_EQ(ring.text(), expected);
  }
  EXPECT_EQ(ring.captured.record.flow, 3U);
  EXPECT_EQ(ring.captured.record.wire_packets, 1U);
  EXPECT_EQ(ring.reader.next(ring.captured), Read::kNothing);
}

TEST(CaptureRing, WhatIsHeldIsNotSeenAndMayBeTakenBack) {
  TestRing ring;
  EXPECT_TRUE(ring.writer.hold({.flow = 1}, {}));
  EXPECT_EQ(ring.reader.next(ring.captured), Read::kNothing);
  EXPECT_TRUE(ring.put("instead", 2));
  ASSERT_EQ(ring.reader.next(ring.captured), Read::kPacket);
  EXPECT_EQ(ring.text(), "instead");
}

TEST(CaptureRing, GoesRoundManyTimes) {
  TestRing ring;
  for (std::uint64_t i = 0; i < 1'000; ++i) {
    const std::string packet(i % 300, static_cast<char>('a' + i % 26));
    ASSERT_TRUE(ring.put(packet, i));
    ASSERT_EQ(ring.reader.next(ring.captured), Read::kPacket);
    ASSERT_EQ(ring.text(), packet) << i;
    ASSERT_EQ(ring.captured.record.flow, i);
  }
}

TEST(CaptureRing, FullRingTakesNothingUntilTheReaderReads) {
  TestRing ring;
  int put = 0;
  while (ring.put("0123456789")) {
    ++put;
  }
  EXPECT_GT(put, 5);
  EXPECT_FALSE(ring.put("0123456789"));
  ASSERT_EQ(ring.reader.next(ring.captured), Read::kPacket);
  EXPECT_TRUE(ring.put("0123456789"));
  EXPECT_FALSE(ring.put("0123456789"));
  ring.writer.drop(3);
  EXPECT_EQ(ring.reader.dropped(), 3U);
}

TEST(CaptureRing, TailThatCannotBeLeavesNoRoom) {
  TestRing ring;
  auto* header = reinterpret_cast<CaptureRingHeader*>(ring.memory);
  for (const std::uint64_t tail :
       {std::uint64_t{8}, ~std::uint64_t{0} / 2, std::uint64_t{1} << 63U}) {
    header->tail = tail;  // the writer has not got so far
    EXPECT_FALSE(ring.put("x")) << tail;
  }
  header->tail = 0;
  EXPECT_TRUE(ring.put("x"));
}

TEST(CaptureRing, ReaderLeavesBrokenMemoryAlone) {
  for (const std::uint32_t length : {0U, 7U, 9U, 4096U, 0xffffffffU}) {
    TestRing ring;
    ASSERT_TRUE(ring.put("x"));
    std::memcpy(ring.memory + sizeof(CaptureRingHeader), &length, sizeof(length));
    EXPECT_EQ(ring.reader.next(ring.captured), Read::kBroken) << length;
  }
  TestRing ring;
  reinterpret_cast<CaptureRingHeader*>(ring.memory)->head = kRingBytes + 8;
  EXPECT_EQ(ring.reader.next(ring.captured), Read::kBroken);
}

// A writer and a reader at once: nothing torn, nothing lost but what is counted.
TEST(CaptureRing, IsForTwoThreads) {
  TestRing ring;
  constexpr std::uint64_t kPackets = 5'000;
  std::thread writer([&] {
    for (std::uint64_t i = 1; i <= kPackets; ++i) {
      if (!ring.put(std::string(i % 97, static_cast<char>('a' + i % 26)), i)) {
        ring.writer.drop(1);
      }
    }
  });
  std::uint64_t seen = 0;
  std::uint64_t last = 0;
  bool right = true;
  while (right && seen + ring.reader.dropped() < kPackets) {
    if (ring.reader.next(ring.captured) == Read::kPacket) {
      const std::uint64_t i = ring.captured.record.flow;
      right = i > last && ring.text() == std::string(i % 97, static_cast<char>('a' + i % 26));
      last = i;
      ++seen;
    }
  }
  writer.join();
  EXPECT_TRUE(right);
  EXPECT_EQ(ring.reader.next(ring.captured), Read::kNothing);
}

TEST(CaptureMemory, IsTheSameForBothSidesAndCannotShrink) {
  auto made = CaptureMemory::create(2, 8192);
  ASSERT_TRUE(made) << made.error().message();
  const auto opened = CaptureMemory::open(made->file);
  ASSERT_TRUE(opened) << opened.error().message();
  ASSERT_EQ(opened->ring_count(), 2U);
  CaptureRingWriter writer(made->memory.ring(1));
  ASSERT_TRUE(writer.hold({.flow = 9}, {}));
  writer.commit(1);
  CaptureRingReader reader(opened->ring(1));
  CaptureRingReader::Captured captured;
  ASSERT_EQ(reader.next(captured), Read::kPacket);
  EXPECT_EQ(captured.record.flow, 9U);
  EXPECT_EQ(CaptureRingReader(opened->ring(0)).next(captured), Read::kNothing);
  EXPECT_NE(::ftruncate(made->file.get(), 0), 0);
}

TEST(CaptureMemory, RefusesWhatIsNoCapture) {
  const auto file = base::Fd::adopt(::memfd_create("x", MFD_CLOEXEC));
  EXPECT_FALSE(CaptureMemory::open(file));
  ASSERT_EQ(::ftruncate(file.get(), 1 << 20), 0);
  EXPECT_FALSE(CaptureMemory::open(file));
  EXPECT_FALSE(CaptureMemory::open(base::Fd()));
}

}  // namespace
}  // namespace gateway
