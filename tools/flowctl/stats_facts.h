// Stats facts: the gateway's statistics, each with its name, for `stats` and `stats --watch` alike.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/flowctl/reply.h"

namespace flowctl {

struct StatsFact {
  enum class Kind : std::uint8_t {
    kText,     // says nothing of change
    kGauge,    // goes up and down
    kCounter,  // only up: what it gains per second is of interest
    kBytes,    // as kCounter
  };
  std::string name;
  std::string text;  // the value, as people read it
  Kind kind = Kind::kText;
  std::uint64_t number = 0;
};

/// Those of the gateway as a whole.
std::vector<StatsFact> facts_of_stats(const Json& stats);

/// One for each rule that has decided anything, and for each bandwidth.
std::vector<StatsFact> facts_of_rules(const Json& stats);

/// How `now` differs from `before`, `seconds` ago: "+12/s", "-3"; empty when it does not.
std::string change_text(const StatsFact& now, const StatsFact& before, double seconds);

}  // namespace flowctl
