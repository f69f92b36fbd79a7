#include "gateway/capture/capture_tap.h"

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace gateway {
namespace {

using Read = CaptureRingReader::Read;

class CaptureTapTest : public testing::Test {
 protected:
  CaptureTapTest() {
    flow_.id = 17;
    flow_.key.tenant = 1001;
  }
  CaptureJob job(std::uint64_t id, const std::string& filter = "",
                 std::size_t snap_bytes = 65'535) {
    auto made = CaptureMemory::create(1, 4096);
    memories_.push_back(std::make_shared<CaptureMemory>(std::move(made->memory)));
    return {.id = id,
            .filter = FlowFilter::parse(std::vector{filter}).value(),
            .snap_bytes = snap_bytes,
            .memory = memories_.back(),
            .ring = 0};
  }
  void see(std::uint64_t carried, const flows::VnetHeader& vnet = {}) {
    tap_.hold({.flow = flow_,
               .names = {.tenant = "acme", .tunnel = "laptop", .rule = "web"},
               .vnet = vnet,
               .packet = packet_,
               .tunnel = 4,
               .is_up = true,
               .is_inbound = true});
    tap_.commit(carried);
  }
  // What the n-th job has got.
  std::vector<CaptureRingReader::Captured> got(std::size_t n) {
    CaptureRingReader reader(memories_.at(n)->ring(0));
    std::vector<CaptureRingReader::Captured> all;
    CaptureRingReader::Captured one;
    while (reader.next(one) == Read::kPacket) {
      all.push_back(one);
    }
    return all;
  }

  CaptureTap tap_;
  std::vector<std::shared_ptr<CaptureMemory>> memories_;
  flows::Flow flow_;
  std::vector<std::byte> packet_ = std::vector<std::byte>(100);
};

TEST_F(CaptureTapTest, IsOffUntilSomebodyCapturesAndAgainAfterwards) {
  EXPECT_FALSE(tap_.is_on());
  tap_.add(job(1));
  tap_.add(job(2));
  tap_.remove(1);
  EXPECT_TRUE(tap_.is_on());
  tap_.remove(2);
  EXPECT_FALSE(tap_.is_on());
}

TEST_F(CaptureTapTest, EachCaptureHasItsFilterAndItsLength) {
  tap_.add(job(1, "tenant=acme", 40));
  tap_.add(job(2, "tenant=umbrella"));
  see(1);
  const auto mine = got(0);
  ASSERT_EQ(mine.size(), 1U);
  EXPECT_EQ(mine[0].packet.size(), 40U);
  EXPECT_EQ(mine[0].record.original_bytes, 100U);
  EXPECT_EQ(mine[0].record.flow, 17U);
  EXPECT_EQ(mine[0].record.tenant, 1001U);
  EXPECT_EQ(mine[0].record.tunnel, 4U);
  EXPECT_TRUE(got(1).empty());
}

TEST_F(CaptureTapTest, SuperSegmentIsKeptWhole) {
  tap_.add(job(1, "", 40));
  see(3, {.gso_type = flows::VnetHeader::kGsoTcpV4});
  EXPECT_EQ(got(0).at(0).packet.size(), 100U);
}

TEST_F(CaptureTapTest, WhatWasNotSentIsNotThere) {
  tap_.add(job(1));
  see(0);
  see(1);
  EXPECT_EQ(got(0).size(), 1U);
}

TEST_F(CaptureTapTest, FullRingCountsWhatTheWireCarried) {
  tap_.add(job(1));
  for (int i = 0; i < 100; ++i) {
    see(2);
  }
  const std::uint64_t dropped = CaptureRingReader(memories_.at(0)->ring(0)).dropped();
  const auto kept = got(0).size();
  EXPECT_GT(kept, 10U);
  EXPECT_EQ(dropped, 2 * (100 - kept));
}

}  // namespace
}  // namespace gateway
