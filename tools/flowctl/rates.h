// Rates: what flows carry per second, as the difference of two looks at the flow table.
//
// A flow that began between the looks counts from its beginning; what a flow carried between the
// last look and its end is not seen.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway/inspect/flow_filter.h"
#include "gateway/inspect/traffic_rate.h"
#include "tools/flowctl/flow_listing.h"

namespace flowctl {

enum class Grouping : std::uint8_t { kFlow, kTenant, kTunnel, kRule };
std::string_view name(Grouping grouping);  // "tenant"
std::optional<Grouping> grouping_named(std::string_view name);
Grouping next(Grouping grouping);

enum class RateOrder : std::uint8_t { kRate, kUp, kDown, kPackets, kBytes, kFlows, kAge, kId };
std::string_view name(RateOrder order);  // "packets"
std::optional<RateOrder> rate_order_named(std::string_view name);
RateOrder next(RateOrder order);

using Rate = gateway::TrafficRate;

/// A flow, or the flows that have a tenant, tunnel or rule in common.
struct RateRow {
  std::uint64_t key = 0;     // the flow's id, or the number of what they have in common
  flows::FlowIndex index{};  // Grouping::kFlow: where it is
  std::uint32_t flows = 0;
  std::int64_t created_ns = 0;  // of the oldest
  Rate up;
  Rate down;
  std::uint64_t bytes = 0;  // both ways, of the flows that live
};

/// Sums of a look.
struct RateTotals {
  std::uint32_t flows = 0;
  Rate up;
  Rate down;
};

class RateMeter {
 public:
  static constexpr std::size_t kHistory = 24;  // looks

  /// Another look, `now_ns` on CLOCK_MONOTONIC. The first one finds no rates.
  void look(const FlowListing& listing, const gateway::FlowFilter& filter, Grouping grouping,
            std::int64_t now_ns);

  /// Of the last look, in the order that `order` says, the highest first; what is equal, by key.
  [[nodiscard]] std::vector<RateRow> rows(RateOrder order, bool ascending = false) const;
  [[nodiscard]] const RateTotals& totals() const { return totals_; }
  /// Between the last two looks; 0 when there was one.
  [[nodiscard]] std::int64_t interval_ns() const { return interval_ns_; }
  /// Bits per second of the looks up to now, the oldest first; of rows that carried something.
  [[nodiscard]] const std::vector<double>& history(std::uint64_t key) const;

  /// For another grouping or filter, whose history would be of something else.
  void forget_history() { histories_.clear(); }

 private:
  static constexpr std::size_t kMostHistories = 4096;

  struct Counters {
    flows::WireCount up;
    flows::WireCount down;
    std::uint32_t look = 0;  // when it was last seen
  };

  void add(RateRow& row, const flows::Flow& flow, const Counters& before, double seconds);
  void remember();

  std::unordered_map<std::uint64_t, Counters> counters_;  // by flow id
  std::unordered_map<std::uint64_t, std::vector<double>> histories_;
  std::vector<RateRow> rows_;
  RateTotals totals_;
  std::int64_t last_ns_ = 0;
  std::int64_t interval_ns_ = 0;
  std::uint32_t look_ = 0;
};

}  // namespace flowctl
