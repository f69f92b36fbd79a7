// HookReport: which hooks have run for a flow, as flowctl shows it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gateway {

struct HookCallReport {
  std::string app;  // whose: "rules", or the app that the gateway is
  std::string hook;
  std::string kind;         // "decision", "event"
  std::uint64_t at_us = 0;  // since the first
  std::uint64_t took_ns = 0;
  std::string answer;   // empty: it is an event, or has failed
  bool failed = false;  // it threw, and the default was taken
};

struct HookReport {
  std::uint64_t flow = 0;
  std::uint64_t count = 0;            // of calls; only the first are kept
  std::vector<HookCallReport> calls;  // in their order
};

}  // namespace gateway
