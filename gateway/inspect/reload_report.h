// ReloadReport: what became of a configuration that was to be taken over, as plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gateway {

struct ReloadReport {
  std::vector<std::string> problems{};  // any: nothing has changed
  std::uint64_t shards_late = 0;        // that take the rules over once they get to it
  std::uint64_t rules = 0;
  std::uint64_t flows_ended = 0;             // that the new rules forbid
  std::vector<std::string> after_restart{};  // keys that differ, and cannot change before
};

}  // namespace gateway
