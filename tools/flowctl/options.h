// Options: what the words on flowctl's command line ask for.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "gateway/inspect/explanation.h"
#include "tools/flowctl/command_table.h"
#include "tools/flowctl/flow_order.h"
#include "tools/flowctl/rates.h"

namespace flowctl {

struct Options {
  Command command = Command::kNone;
  std::optional<std::string> socket;
  bool json = false;
  bool all = false;  // kDrops
  bool help = false;
  bool version = false;
  std::optional<std::uint64_t> count;
  std::string file;                                  // kCapture
  std::optional<std::chrono::milliseconds> seconds;  // kCapture
  std::uint32_t snap_bytes = 0;                      // kCapture; 0: whole packets
  Grouping grouping = Grouping::kFlow;               // kTop
  RateOrder rate_order = RateOrder::kRate;           // kTop
  std::optional<std::chrono::milliseconds> interval;
  FlowOrder flow_order{};  // kFlows
  bool once = false;       // kTop
  bool hooks = false;      // kFlow
  bool watch = false;      // kStats
  std::string shell;       // kCompletion
  std::optional<std::uint64_t> limit;
  std::string level;                // Operands::kLevel; empty: it is asked for
  std::uint64_t flow_id = 0;        // Operands::kFlowId
  std::vector<std::string> filter;  // Operands::kFilter
  gateway::ExplainQuery query;      // Operands::kPacket, and whose it is
};

/// What is wrong with the words, for a line of its own, and of which command --help says more.
struct UsageError {
  std::string message;
  Command command = Command::kNone;
};

/// Reads the words after the program's name; options may stand anywhere before a "--".
base::Result<Options, UsageError> parse_options(std::span<const std::string> words);

}  // namespace flowctl
