// LiveView: what the page and its API show: a gateway's status and its busiest flows, looked at no
// more often than once a second, however many ask.
//
// Theory of operation
//
// A look asks for the status and goes through the flow table once. The table is read as flowctl
// reads it, from the region that the shard writes, so that no packet waits for a look. What a flow
// had carried at the look before lies in an array by the flow's place in the table; the difference
// is its rate. Of the flows only the first kMostFlows of each order are kept. A table of millions
// takes long: the next look waits nine times as long as the last took, so that the control thread,
// which has other things to do, gives it a tenth of its time at most. When nobody has asked for
// kForgetAfter, the array is given back; the next look finds no rates.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "flows/flow.h"
#include "flows/flow_snapshot.h"
#include "gateway/inspect/status.h"
#include "gateway/inspect/traffic_rate.h"

namespace gateway {

enum class FlowOrder : std::uint8_t {
  kRate,    // what carries most now
  kBytes,   // what has carried most
  kNewest,  // what began last
};
inline constexpr std::size_t kFlowOrders = 3;
std::optional<FlowOrder> flow_order_named(std::string_view name);  // "rate", "bytes", "newest"

class LiveView {
 public:
  static constexpr std::size_t kMostFlows = 200;
  static constexpr std::chrono::seconds kApart{1};
  static constexpr std::chrono::seconds kForgetAfter{15};

  struct SeenFlow {
    flows::Flow flow;
    flows::HostName host;
    TrafficRate up;  // between the last two looks
    TrafficRate down;
    std::size_t region = 0;
  };

  explicit LiveView(StatusSource& source);
  ~LiveView();

  /// Looks, if the last look was long enough ago.
  void refresh(base::Instant now);

  // Of the last look.
  [[nodiscard]] const GatewayStatus& status() const { return status_; }
  [[nodiscard]] const std::vector<SeenFlow>& flows(FlowOrder order) const {
    return flows_[static_cast<std::size_t>(order)];
  }
  [[nodiscard]] std::uint64_t flow_count() const { return flow_count_; }
  [[nodiscard]] std::int64_t at_ns() const { return at_ns_; }
  /// Between the last two looks; 0: there was none before, so that no rate is known.
  [[nodiscard]] std::int64_t interval_ns() const { return interval_ns_; }

 private:
  class Region;

  void look_at(std::size_t region);
  void remember(const SeenFlow& seen);

  StatusSource& source_;
  std::vector<std::unique_ptr<Region>> regions_;
  GatewayStatus status_;
  std::array<std::vector<SeenFlow>, kFlowOrders> flows_;
  std::uint64_t flow_count_ = 0;
  std::int64_t at_ns_ = 0;
  std::int64_t interval_ns_ = 0;
  base::Instant next_{};
  base::Instant forget_{};
};

}  // namespace gateway
