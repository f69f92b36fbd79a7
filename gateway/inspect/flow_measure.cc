#include "gateway/inspect/flow_measure.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "gateway/inspect/flow_json.h"

namespace gateway {
namespace {

using Unit = std::pair<std::string_view, std::uint64_t>;

constexpr std::array<std::string_view, 8> kNames = {
    "age", "idle", "up", "down", "bytes", "up_packets", "down_packets", "packets"};
constexpr std::array<Unit, 5> kTimes = {
    {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
constexpr std::array<Unit, 4> kSizes = {
    {{"", 1}, {"KiB", 1ULL << 10U}, {"MiB", 1ULL << 20U}, {"GiB", 1ULL << 30U}}};
constexpr std::array<Unit, 1> kNumbers = {{{"", 1}}};

struct Scale {
  std::span<const Unit> units;
  const char* what;
};

Scale scale_of(FlowMeasure measure) {
  switch (measure) {
    case FlowMeasure::kAge:
    case FlowMeasure::kIdle:
      return {kTimes, "a time, as 10s or 5m"};
    case FlowMeasure::kUp:
    case FlowMeasure::kDown:
    case FlowMeasure::kBytes:
      return {kSizes, "a size, as 1500 or 10MiB"};
    case FlowMeasure::kUpPackets:
    case FlowMeasure::kDownPackets:
    case FlowMeasure::kPackets:
      return {kNumbers, "a number"};
  }
  return {kNumbers, "a number"};
}

}  // namespace

std::span<const std::string_view> measure_names() {
  return kNames;
}

std::string_view name(FlowMeasure measure) {
  return kNames[static_cast<std::size_t>(measure)];
}

std::optional<FlowMeasure> measure_named(std::string_view name) {
  const auto* found = std::ranges::find(kNames, name);
  return found == kNames.end() ? std::nullopt
                               : std::optional(static_cast<FlowMeasure>(found - kNames.begin()));
}

std::uint64_t value_of(const flows::Flow& flow, FlowMeasure measure, std::int64_t now_ns) {
  const std::int64_t now = now_ns == 0 ? flow.last_seen_ns : now_ns;
  switch (measure) {
    case FlowMeasure::kAge:
      return milliseconds_between(flow.created_ns, now);
    case FlowMeasure::kIdle:
      return milliseconds_between(flow.last_seen_ns, now);
    case FlowMeasure::kUp:
      return flow.up.bytes;
    case FlowMeasure::kDown:
      return flow.down.bytes;
    case FlowMeasure::kBytes:
      return flow.up.bytes + flow.down.bytes;
    case FlowMeasure::kUpPackets:
      return flow.up.packets;
    case FlowMeasure::kDownPackets:
      return flow.down.packets;
    case FlowMeasure::kPackets:
      return flow.up.packets + flow.down.packets;
  }
  return 0;
}

base::Result<std::uint64_t, std::string> parse_amount(FlowMeasure measure, std::string_view text) {
  const Scale scale = scale_of(measure);
  std::uint64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const auto found = std::ranges::find(scale.units, unit, &Unit::first);
  if (failed != std::errc() || found == scale.units.end() ||
      number > std::numeric_limits<std::uint64_t>::max() / found->second) {
    return base::Unexpected{std::string(scale.what)};
  }
  return number * found->second;
}

}  // namespace gateway
