// Flow JSON: the names under which a flow's facts appear, in `flowctl --json flows` and in the
// audit log alike (README, "Output"). The one place that writes them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/endpoint.h"
#include "flows/flow.h"
#include "gateway/inspect/json_writer.h"

namespace gateway {

/// The names of the numbers in a flow.
struct FlowNames {
  std::string_view tenant;
  std::string_view tunnel;
  std::string_view rule;       // kDefaultRuleName for flows::kDefaultRule
  std::string_view host = {};  // of the destination; empty where no name server gave it
};

/// What stands for a rule when no rule decided.
inline constexpr std::string_view kDefaultRuleName = "default";
inline constexpr std::string_view kHookRuleName = "hook";

/// id, tenant, tunnel, tunnel_id, protocol, source, destination, name (null where the destination
/// was not looked up), action, then ("downgrade", where it follows), rule, mark and dscp (where
/// the rule has given one), state, age_ms (as of
/// `now_ns`, CLOCK_MONOTONIC), upstream (null where nothing is dialled), idle_ms,
/// up{packets,bytes}, down{packets,bytes}.
void write_flow(JsonWriter& json, const flows::Flow& flow, const FlowNames& names,
                std::int64_t now_ns);

/// From `then_ns` to `now_ns`; 0 when `then` is later, as it may be when another process writes it.
std::uint64_t milliseconds_between(std::int64_t then_ns, std::int64_t now_ns);

/// As Endpoint::to_string(), without making a string.
void append_endpoint(std::string& out, const base::Endpoint& endpoint);

/// "0x17"
std::string mark_text(std::uint32_t mark);

/// Whether the flow has an upstream at all: forwarded ones have none.
[[nodiscard]] inline bool has_upstream(const flows::Flow& flow) {
  return flow.upstream != base::Endpoint{};
}

}  // namespace gateway
