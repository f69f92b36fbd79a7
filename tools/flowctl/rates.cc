#include "tools/flowctl/rates.h"

#include <algorithm>
#include <array>
#include <utility>

namespace flowctl {
namespace {

constexpr std::array<std::pair<Grouping, std::string_view>, 4> kGroupings = {
    {{Grouping::kFlow, "flow"},
     {Grouping::kTenant, "tenant"},
     {Grouping::kTunnel, "tunnel"},
     {Grouping::kRule, "rule"}}};

constexpr std::array<std::pair<RateOrder, std::string_view>, 8> kOrders = {
    {{RateOrder::kRate, "rate"},
     {RateOrder::kUp, "up"},
     {RateOrder::kDown, "down"},
     {RateOrder::kPackets, "packets"},
     {RateOrder::kBytes, "bytes"},
     {RateOrder::kFlows, "flows"},
     {RateOrder::kAge, "age"},
     {RateOrder::kId, "id"}}};

template <class Table>
auto value_named(const Table& table, std::string_view name)
    -> std::optional<typename Table::value_type::first_type> {
  for (const auto& [value, its_name] : table) {
    if (its_name == name) {
      return value;
    }
  }
  return std::nullopt;
}

// The tables are in the order of the values.
template <class Value, class Table>
Value value_after(Value value, const Table& table) {
  return table[(static_cast<std::size_t>(value) + 1) % table.size()].first;
}

std::uint64_t key_of(const flows::Flow& flow, Grouping grouping) {
  switch (grouping) {
    case Grouping::kFlow:
      return flow.id;
    case Grouping::kTenant:
      return flow.key.tenant;
    case Grouping::kTunnel:
      return flow.tunnel;
    case Grouping::kRule:
      return flow.rule;
  }
  return flow.id;
}

void add(Rate& sum, const Rate& more) {
  sum.bits += more.bits;
  sum.packets += more.packets;
}

double value_of(const RateRow& row, RateOrder order) {
  switch (order) {
    case RateOrder::kRate:
      return row.up.bits + row.down.bits;
    case RateOrder::kUp:
      return row.up.bits;
    case RateOrder::kDown:
      return row.down.bits;
    case RateOrder::kPackets:
      return row.up.packets + row.down.packets;
    case RateOrder::kBytes:
      return static_cast<double>(row.bytes);
    case RateOrder::kFlows:
      return row.flows;
    case RateOrder::kAge:
      return -static_cast<double>(row.created_ns);
    case RateOrder::kId:
      return -static_cast<double>(row.key);
  }
  return 0;
}

}  // namespace

std::string_view name(Grouping grouping) {
  return kGroupings[static_cast<std::size_t>(grouping)].second;
}
std::optional<Grouping> grouping_named(std::string_view name) {
  return value_named(kGroupings, name);
}
Grouping next(Grouping grouping) {
  return value_after(grouping, kGroupings);
}

std::string_view name(RateOrder order) {
  return kOrders[static_cast<std::size_t>(order)].second;
}
std::optional<RateOrder> rate_order_named(std::string_view name) {
  return value_named(kOrders, name);
}
RateOrder next(RateOrder order) {
  return value_after(order, kOrders);
}

void RateMeter::look(const FlowListing& listing, const gateway::FlowFilter& filter,
                     Grouping grouping, std::int64_t now_ns) {
  const bool is_first = look_ == 0;
  interval_ns_ = is_first ? 0 : now_ns - last_ns_;
  const double seconds = interval_ns_ > 0 ? static_cast<double>(interval_ns_) / 1e9 : 1;
  ++look_;
  rows_.clear();
  totals_ = {};
  std::unordered_map<std::uint64_t, std::size_t> row_of;  // by key
  listing.visit(filter, now_ns, [&](flows::FlowIndex index, const flows::Flow& flow) {
    auto [known, is_new] = counters_.try_emplace(flow.id);
    Counters& counters = known->second;
    if (is_new && (is_first || flow.created_ns <= last_ns_)) {
      counters = {.up = flow.up, .down = flow.down};  // the filter has let it through only now
    }
    const std::uint64_t key = key_of(flow, grouping);
    const auto [place, is_new_row] = row_of.try_emplace(key, rows_.size());
    if (is_new_row) {
      RateRow& row = rows_.emplace_back();
      row.key = key;
      row.index = index;
      row.created_ns = flow.created_ns;
    }
    add(rows_[place->second], flow, counters, seconds);
    counters = {.up = flow.up, .down = flow.down, .look = look_};
  });
  std::erase_if(counters_, [&](const auto& counted) { return counted.second.look != look_; });
  last_ns_ = now_ns;
  remember();
}

void RateMeter::add(RateRow& row, const flows::Flow& flow, const Counters& before, double seconds) {
  const Rate up = gateway::traffic_rate(before.up, flow.up, seconds);
  const Rate down = gateway::traffic_rate(before.down, flow.down, seconds);
  flowctl::add(row.up, up);
  flowctl::add(row.down, down);
  flowctl::add(totals_.up, up);
  flowctl::add(totals_.down, down);
  ++row.flows;
  ++totals_.flows;
  row.bytes += flow.up.bytes + flow.down.bytes;
  row.created_ns = std::min(row.created_ns, flow.created_ns);
}

void RateMeter::remember() {
  std::unordered_map<std::uint64_t, std::vector<double>> kept;
  for (const RateRow& row : rows_) {
    const double bits = row.up.bits + row.down.bits;
    const auto found = histories_.find(row.key);
    if (found == histories_.end() && (bits <= 0 || kept.size() >= kMostHistories)) {
      continue;
    }
    std::vector<double> history =
        found == histories_.end() ? std::vector<double>{} : std::move(found->second);
    history.push_back(bits);
    if (history.size() > kHistory) {
      history.erase(history.begin());
    }
    kept.emplace(row.key, std::move(history));
  }
  histories_ = std::move(kept);
}

std::vector<RateRow> RateMeter::rows(RateOrder order, bool ascending) const {
  std::vector<RateRow> sorted = rows_;
  std::ranges::sort(sorted, [&](const RateRow& a, const RateRow& b) {
    const double value_a = value_of(a, order);
    const double value_b = value_of(b, order);
    if (value_a != value_b) {
      return ascending ? value_a < value_b : value_a > value_b;
    }
    return a.key < b.key;
  });
  return sorted;
}

const std::vector<double>& RateMeter::history(std::uint64_t key) const {
  static const std::vector<double> kNone;
  const auto found = histories_.find(key);
  return found == histories_.end() ? kNone : found->second;
}

}  // namespace flowctl
