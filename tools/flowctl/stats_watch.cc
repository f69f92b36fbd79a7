#include "tools/flowctl/stats_watch.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/time.h"
#include "gateway/control/control_protocol.h"
#include "tools/flowctl/gateway_access.h"
#include "tools/flowctl/interruption.h"
#include "tools/flowctl/reply.h"
#include "tools/flowctl/stats_facts.h"
#include "tools/flowctl/table.h"

namespace flowctl {
namespace {

using base::Unexpected;
using Kind = gateway::ControlRequest::Kind;

using Facts = std::vector<StatsFact>;

std::string table_of(const Facts& now, const Facts& before, double seconds, bool colours) {
  std::vector<Row> rows;
  for (const StatsFact& fact : now) {
    const auto last = std::ranges::find(before, fact.name, &StatsFact::name);
    const std::string change =
        last == before.end() ? std::string() : change_text(fact, *last, seconds);
    rows.push_back({{fact.name, Style::kBold}, {fact.text}, {change, Style::kGood}});
  }
  return table_text({{"WHAT"}, {"NOW", true}, {"CHANGE", true}}, rows, colours);
}

}  // namespace

base::Result<void, Failure> watch_stats(const Options& options, Output& output, bool colours) {
  const Interruption interruption;
  const auto interval = options.interval.value_or(std::chrono::milliseconds(1'000));
  const std::string_view begin =
      ::isatty(STDOUT_FILENO) == 1 && !options.json ? "\x1b[H\x1b[2J" : "";
  Facts before;
  base::Instant last = base::Clock::now();
  for (std::uint64_t i = 0; output.is_open() && i < options.count.value_or(UINT64_MAX); ++i) {
    if (i > 0 && interruption.wait_for_signal(interval)) {
      return {};
    }
    const auto answer = ask(choose_socket(options.socket), {.kind = Kind::kStats});
    if (!answer && i > 0 && answer.error().status == ExitStatus::kNoGateway) {
      std::fputs("flowctl: the gateway has ended\n", stderr);
      return {};
    }
    const auto reply = answer ? granted(answer->line) : Unexpected{answer.error()};
    if (!reply) {
      return Unexpected{reply.error()};
    }
    const Json& stats = reply->at("stats");
    const base::Instant now = base::Clock::now();
    if (options.json) {
      output.text() += stats.dump() + "\n";
    } else {
      Facts facts = facts_of_stats(stats);
      std::ranges::move(facts_of_rules(stats), std::back_inserter(facts));
      output.text() += i > 0 && begin.empty() ? "\n" : begin;
      output.text() +=
          table_of(facts, before, std::chrono::duration<double>(now - last).count(), colours);
      before = std::move(facts);
    }
    last = now;
    output.flush();
  }
  return {};
}

}  // namespace flowctl
