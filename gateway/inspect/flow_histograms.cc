#include "gateway/inspect/flow_histograms.h"

#include "flows/icmp_type.h"

namespace gateway {
namespace {

// Bounds are chosen: of times, what a person tells apart; of bytes, powers of ten.
constexpr HistogramBound kDialBounds[] = {
    {1'000, "0.001"},  {2'500, "0.0025"},  {5'000, "0.005"},   {10'000, "0.01"},
    {25'000, "0.025"}, {50'000, "0.05"},   {100'000, "0.1"},   {250'000, "0.25"},
    {500'000, "0.5"},  {1'000'000, "1.0"}, {2'500'000, "2.5"}, {10'000'000, "10.0"}};
constexpr HistogramBound kRttBounds[] = {{100, "0.0001"},  {250, "0.00025"},  {500, "0.0005"},
                                         {1'000, "0.001"}, {2'500, "0.0025"}, {5'000, "0.005"},
                                         {10'000, "0.01"}, {25'000, "0.025"}, {50'000, "0.05"},
                                         {100'000, "0.1"}, {250'000, "0.25"}, {1'000'000, "1.0"}};
constexpr HistogramBound kDurationBounds[] = {
    {10'000, "0.01"},          {100'000, "0.1"},          {500'000, "0.5"},
    {1'000'000, "1.0"},        {5'000'000, "5.0"},        {10'000'000, "10.0"},
    {30'000'000, "30.0"},      {60'000'000, "60.0"},      {300'000'000, "300.0"},
    {1'800'000'000, "1800.0"}, {7'200'000'000, "7200.0"}, {86'400'000'000, "86400.0"}};
constexpr HistogramBound kByteBounds[] = {
    {100, "100.0"},         {1'000, "1000.0"},        {10'000, "10000.0"},
    {100'000, "100000.0"},  {1'000'000, "1e+06"},     {10'000'000, "1e+07"},
    {100'000'000, "1e+08"}, {1'000'000'000, "1e+09"}, {10'000'000'000, "1e+10"}};

constexpr std::string_view kDialHelp =
    "Time that a SYN was held until its upstream had answered, or the dial was given up.";
constexpr std::string_view kDurationHelp =
    "From the first packet of a flow that was let through until it was over.";
constexpr std::string_view kRttHelp =
    "Round trip to the client as the kernel had smoothed it when its connection closed.";
constexpr std::string_view kBytesHelp =
    "Bytes of flows that were let through and have ended, IP headers included.";

constexpr unsigned kMicro = 6;

constexpr std::array<HistogramForm, kFlowHistogramCount> kForms = {{
    {"dial_seconds", kDialHelp, "result", "connected", kMicro, kDialBounds},
    {"dial_seconds", kDialHelp, "result", "failed", kMicro, kDialBounds},
    {"flow_duration_seconds", kDurationHelp, "protocol", "tcp", kMicro, kDurationBounds},
    {"flow_duration_seconds", kDurationHelp, "protocol", "udp", kMicro, kDurationBounds},
    {"flow_duration_seconds", kDurationHelp, "protocol", "icmp", kMicro, kDurationBounds},
    {"flow_duration_seconds", kDurationHelp, "protocol", "other", kMicro, kDurationBounds},
    {"client_rtt_seconds", kRttHelp, "", "", kMicro, kRttBounds},
    {"flow_bytes", kBytesHelp, "direction", "up", 0, kByteBounds},
    {"flow_bytes", kBytesHelp, "direction", "down", 0, kByteBounds},
}};

constexpr bool every_bucket_has_a_place() {
  for (const HistogramForm& form : kForms) {
    if (form.bounds.size() >= FlowHistograms::kMostBuckets) {
      return false;
    }
  }
  return true;
}
static_assert(every_bucket_has_a_place());

}  // namespace

const HistogramForm& form_of(FlowHistogram histogram) {
  return kForms[static_cast<std::size_t>(histogram)];
}

FlowHistogram duration_histogram(flows::Protocol protocol) {
  if (protocol == flows::Protocol::kTcp) {
    return FlowHistogram::kDurationTcp;
  }
  if (protocol == flows::Protocol::kUdp) {
    return FlowHistogram::kDurationUdp;
  }
  return flows::is_icmp(protocol) ? FlowHistogram::kDurationIcmp : FlowHistogram::kDurationOther;
}

void FlowHistograms::add(FlowHistogram histogram, std::uint64_t value, std::uint64_t flow,
                         std::chrono::system_clock::time_point now) {
  const auto bounds = form_of(histogram).bounds;
  std::size_t at = 0;
  while (at < bounds.size() && value > bounds[at].most) {
    ++at;
  }
  Count& count = counts_[static_cast<std::size_t>(histogram)];
  count.sum += value;
  Bucket& bucket = count.buckets[at];
  ++bucket.count;
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch());
  bucket.last = {.flow = flow, .value = value, .unix_ms = since.count()};
}

void FlowHistograms::add(const FlowHistograms& other) {
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    counts_[i].sum += other.counts_[i].sum;
    for (std::size_t at = 0; at < kMostBuckets; ++at) {
      Bucket& mine = counts_[i].buckets[at];
      const Bucket& theirs = other.counts_[i].buckets[at];
      mine.count += theirs.count;
      if (theirs.last.flow != 0 && theirs.last.unix_ms >= mine.last.unix_ms) {
        mine.last = theirs.last;
      }
    }
  }
}

}  // namespace gateway
