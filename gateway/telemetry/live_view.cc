#include "gateway/telemetry/live_view.h"

#include <algorithm>
#include <utility>

#include "base/mapped_file.h"
#include "gateway/log.h"
#include "gateway/log_value.h"

namespace gateway {
namespace {

constexpr std::array<std::string_view, kFlowOrders> kNames = {"rate", "bytes", "newest"};

// What a flow had carried when it was last looked at.
struct Counters {
  std::uint64_t id = 0;
  flows::WireCount up;
  flows::WireCount down;
};

// What an order goes by, the highest first; the id where that is equal.
double weight(const LiveView::SeenFlow& seen, FlowOrder order) {
  switch (order) {
    case FlowOrder::kRate:
      return seen.up.bits + seen.down.bits;
    case FlowOrder::kBytes:
      return static_cast<double>(seen.flow.up.bytes) + static_cast<double>(seen.flow.down.bytes);
    case FlowOrder::kNewest:
      return static_cast<double>(seen.flow.created_ns);
  }
  return 0;
}

bool goes_before(const LiveView::SeenFlow& a, const LiveView::SeenFlow& b, FlowOrder order) {
  const double weight_a = weight(a, order);
  const double weight_b = weight(b, order);
  return weight_a != weight_b ? weight_a > weight_b : a.flow.id > b.flow.id;
}

}  // namespace

std::optional<FlowOrder> flow_order_named(std::string_view name) {
  const auto* found = std::ranges::find(kNames, name);
  return found == kNames.end() ? std::nullopt
                               : std::optional(static_cast<FlowOrder>(found - kNames.begin()));
}

// One flow table, mapped, and what its flows had carried.
class LiveView::Region {
 public:
  // Null when it cannot be read, which is said once.
  static std::unique_ptr<Region> open(const base::Fd& file) {
    auto mapping = base::MappedFile::of(file, "the flow table");
    if (!mapping) {
      log_warn("the page shows no flows error={}", LogValue{mapping.error().message()});
      return nullptr;
    }
    auto snapshot = flows::FlowSnapshot::open(mapping->bytes());
    if (!snapshot) {
      log_warn("the page shows no flows error={}", LogValue{snapshot.error()});
      return nullptr;
    }
    return std::unique_ptr<Region>(new Region(std::move(mapping).value(), *snapshot));
  }
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  [[nodiscard]] const flows::FlowSnapshot& snapshot() const { return snapshot_; }
  Counters& counters(flows::FlowIndex index) {
    if (counters_.size() <= flows::number(index)) {
      counters_.resize(flows::number(index) + 1);
    }
    return counters_[flows::number(index)];
  }
  void forget() { std::exchange(counters_, {}); }

 private:
  Region(base::MappedFile mapping, flows::FlowSnapshot snapshot)
      : mapping_(std::move(mapping)), snapshot_(snapshot) {}

  base::MappedFile mapping_;
  flows::FlowSnapshot snapshot_;
  std::vector<Counters> counters_;  // by index
};

LiveView::LiveView(StatusSource& source) : source_(source) {
  for (const base::Fd* file : source.flow_regions()) {
    if (auto region = Region::open(*file)) {
      regions_.push_back(std::move(region));
    }
  }
}

LiveView::~LiveView() = default;

void LiveView::refresh(base::Instant now) {
  if (now < next_) {
    forget_ = now + kForgetAfter;
    return;
  }
  if (now >= forget_) {
    for (const auto& region : regions_) {
      region->forget();
    }
    at_ns_ = 0;
  }
  forget_ = now + kForgetAfter;
  status_ = source_.status();
  const std::int64_t before_ns = std::exchange(at_ns_, base::to_nanoseconds(now));
  interval_ns_ = before_ns == 0 ? 0 : at_ns_ - before_ns;
  flow_count_ = 0;
  for (auto& kept : flows_) {
    kept.clear();
  }
  for (std::size_t region = 0; region < regions_.size(); ++region) {
    look_at(region);
  }
  for (std::size_t i = 0; i < kFlowOrders; ++i) {
    std::ranges::sort(flows_[i], [order = static_cast<FlowOrder>(i)](const auto& a, const auto& b) {
      return goes_before(a, b, order);
    });
    for (SeenFlow& seen : flows_[i]) {
      seen.host = regions_[seen.region]->snapshot().name(seen.flow).value_or(flows::HostName());
    }
  }
  next_ = now + std::max<base::Duration>(kApart, 9 * (base::Clock::now() - now));
}

void LiveView::look_at(std::size_t number) {
  Region& region = *regions_[number];
  const bool rates_are_known = interval_ns_ > 0;
  const double seconds = rates_are_known ? static_cast<double>(interval_ns_) / 1e9 : 1;
  region.snapshot().for_each_indexed([&](flows::FlowIndex index, const flows::Flow& flow) {
    ++flow_count_;
    Counters& before = region.counters(index);
    if (before.id != flow.id) {
      before = {.id = flow.id, .up = {}, .down = {}};  // it began since, and counts from then on
    }
    SeenFlow seen{.flow = flow, .host = {}, .up = {}, .down = {}, .region = number};
    if (rates_are_known) {
      seen.up = traffic_rate(before.up, flow.up, seconds);
      seen.down = traffic_rate(before.down, flow.down, seconds);
    }
    before.up = flow.up;
    before.down = flow.down;
    remember(seen);
  });
}

// Each list is a heap whose front is the one to go first when another is better.
void LiveView::remember(const SeenFlow& seen) {
  for (std::size_t i = 0; i < kFlowOrders; ++i) {
    const auto before = [order = static_cast<FlowOrder>(i)](const auto& a, const auto& b) {
      return goes_before(a, b, order);
    };
    std::vector<SeenFlow>& kept = flows_[i];
    if (kept.size() < kMostFlows) {
      kept.push_back(seen);
      std::ranges::push_heap(kept, before);
    } else if (before(seen, kept.front())) {
      std::ranges::pop_heap(kept, before);
      kept.back() = seen;
      std::ranges::push_heap(kept, before);
    }
  }
}

}  // namespace gateway
