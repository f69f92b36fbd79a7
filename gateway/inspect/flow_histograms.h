// FlowHistograms: how flows are spread over what operators ask about: the time until the upstream
// answered, how long flows lived, the client's round trip, and bytes.
//
// Theory of operation
//
// Flat counters of one shard, written by its thread when a dial or a flow is over and never for a
// packet; others get a copy with the status. The bounds are fixed (form_of), so that shards,
// gateways and times can be added up. Each bucket remembers the last flow that fell into it, as its
// exemplar: what leads from a slow bucket to that flow in the log, in the audit log, at a collector
// and in flowctl.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>

#include "flows/protocol.h"

namespace gateway {

enum class FlowHistogram : std::uint8_t {
  kDialConnected,
  kDialFailed,
  kDurationTcp,
  kDurationUdp,
  kDurationIcmp,
  kDurationOther,
  kClientRtt,
  kBytesUp,
  kBytesDown,
};
inline constexpr std::size_t kFlowHistogramCount = 9;

FlowHistogram duration_histogram(flows::Protocol protocol);

struct HistogramBound {
  std::uint64_t most;     // what falls below the bound, itself included
  std::string_view text;  // as OpenMetrics writes the number ("canonical"), so that a series has
                          // one name in every format and at every scraper
};

/// What a histogram is called, and what its numbers mean.
struct HistogramForm {
  std::string_view
      family;  // "dial_seconds"; neighbours may share it, then they differ in the label
  std::string_view help;
  std::string_view label;  // empty: it has none
  std::string_view is;     // the label's value
  unsigned decimals;       // 6: its numbers are millionths of the unit in the name; 0: they are it
  std::span<const HistogramBound> bounds;  // what is beyond the last has a bucket, too
};
const HistogramForm& form_of(FlowHistogram histogram);

class FlowHistograms {
 public:
  static constexpr std::size_t kMostBuckets = 13;

  struct Exemplar {
    std::uint64_t flow = 0;  // its id; 0: there is none
    std::uint64_t value = 0;
    std::int64_t unix_ms = 0;
  };
  struct Bucket {
    std::uint64_t count = 0;  // of those that fell into this one
    Exemplar last;
  };
  struct Count {
    std::array<Bucket, kMostBuckets> buckets{};
    std::uint64_t sum = 0;
  };

  /// `flow` is its id. Constant time.
  void add(FlowHistogram histogram, std::uint64_t value, std::uint64_t flow,
           std::chrono::system_clock::time_point now);
  /// Those of another shard; of two exemplars the newer stays.
  void add(const FlowHistograms& other);

  [[nodiscard]] const Count& of(FlowHistogram histogram) const {
    return counts_[static_cast<std::size_t>(histogram)];
  }

 private:
  std::array<Count, kFlowHistogramCount> counts_{};
};

}  // namespace gateway
