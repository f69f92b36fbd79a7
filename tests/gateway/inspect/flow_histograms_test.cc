#include "gateway/inspect/flow_histograms.h"

#include <gtest/gtest.h>

namespace gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::system_clock;

constexpr system_clock::time_point at(int unix_ms) {
  return system_clock::time_point(milliseconds(unix_ms));
}

TEST(FlowHistograms, ValueIsInTheFirstBucketThatHasRoomForIt) {
  FlowHistograms histograms;
  histograms.add(FlowHistogram::kBytesUp, 0, 1, at(1));
  histograms.add(FlowHistogram::kBytesUp, 100, 2, at(2));
  histograms.add(FlowHistogram::kBytesUp, 101, 3, at(3));
  histograms.add(FlowHistogram::kBytesUp, 99'000'000'000, 4, at(4));
  const auto& count = histograms.of(FlowHistogram::kBytesUp);
  EXPECT_EQ(count.buckets[0].count, 2U);
  EXPECT_EQ(count.buckets[1].count, 1U);
  EXPECT_EQ(count.buckets[form_of(FlowHistogram::kBytesUp).bounds.size()].count, 1U);
  EXPECT_EQ(count.sum, 99'000'000'201U);
  EXPECT_EQ(histograms.of(FlowHistogram::kBytesDown).sum, 0U);
}

TEST(FlowHistograms, LastFlowOfABucketIsItsExemplar) {
  FlowHistograms histograms;
  histograms.add(FlowHistogram::kClientRtt, 90, 7, at(1'000));
  histograms.add(FlowHistogram::kClientRtt, 80, 8, at(2'000));
  const auto& last = histograms.of(FlowHistogram::kClientRtt).buckets[0].last;
  EXPECT_EQ(last.flow, 8U);
  EXPECT_EQ(last.value, 80U);
  EXPECT_EQ(last.unix_ms, 2'000);
}

TEST(FlowHistograms, OfSeveralShardsAddUpAndTheNewerExemplarStays) {
  FlowHistograms one;
  one.add(FlowHistogram::kDialFailed, 10, 1, at(3));
  one.add(FlowHistogram::kDurationUdp, 20, 2, at(3));
  FlowHistograms other;
  other.add(FlowHistogram::kDialFailed, 30, 3, at(2));
  other.add(FlowHistogram::kDurationUdp, 40, 4, at(4));
  one.add(other);
  const auto& failed = one.of(FlowHistogram::kDialFailed);
  EXPECT_EQ(failed.sum, 40U);
  EXPECT_EQ(failed.buckets[0].count, 2U);
  EXPECT_EQ(failed.buckets[0].last.flow, 1U);
  EXPECT_EQ(one.of(FlowHistogram::kDurationUdp).buckets[0].last.flow, 4U);
}

TEST(FlowHistograms, BoundsGrowAndAreWhatTheirTextSays) {
  for (std::size_t i = 0; i < kFlowHistogramCount; ++i) {
    const HistogramForm& form = form_of(static_cast<FlowHistogram>(i));
    double unit = 1;
    for (unsigned place = 0; place < form.decimals; ++place) {
      unit /= 10;
    }
    std::uint64_t before = 0;
    for (const HistogramBound& bound : form.bounds) {
      EXPECT_GT(bound.most, before);
      before = bound.most;
      EXPECT_NEAR(std::stod(std::string(bound.text)), static_cast<double>(bound.most) * unit,
                  static_cast<double>(bound.most) * unit * 1e-9)
          << bound.text;
    }
  }
}

TEST(FlowHistograms, EveryProtocolHasADuration) {
  EXPECT_EQ(duration_histogram(flows::Protocol::kTcp), FlowHistogram::kDurationTcp);
  EXPECT_EQ(duration_histogram(flows::Protocol::kUdp), FlowHistogram::kDurationUdp);
  EXPECT_EQ(duration_histogram(flows::Protocol::kIcmp), FlowHistogram::kDurationIcmp);
  EXPECT_EQ(duration_histogram(flows::Protocol::kIcmpv6), FlowHistogram::kDurationIcmp);
  EXPECT_EQ(duration_histogram(flows::Protocol{132}), FlowHistogram::kDurationOther);
}

}  // namespace
}  // namespace gateway
