// Flow measures: the quantities of a flow, by name: what filters compare and listings sort by.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "flows/flow.h"

namespace gateway {

enum class FlowMeasure : std::uint8_t {
  kAge,   // milliseconds
  kIdle,  // milliseconds
  kUp,    // bytes
  kDown,  // bytes
  kBytes,
  kUpPackets,
  kDownPackets,
  kPackets,
};

/// Their names, in the order of the enumeration: "age", "idle", "up", ...
std::span<const std::string_view> measure_names();
std::string_view name(FlowMeasure measure);
std::optional<FlowMeasure> measure_named(std::string_view name);

/// `now_ns` is CLOCK_MONOTONIC; 0 stands for when the flow was last seen.
std::uint64_t value_of(const flows::Flow& flow, FlowMeasure measure, std::int64_t now_ns);

/// "90s", "5m", "2h", "1d", "300ms" for times; "1500", "64KiB", "10MiB", "1GiB" for bytes; else
/// digits. Fails with what it should have been: "a time, as 10s or 5m".
base::Result<std::uint64_t, std::string> parse_amount(FlowMeasure measure, std::string_view text);

}  // namespace gateway
