#include "tools/flowctl/stats_watch.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/time.h"
#include "base/utf8.h"
#include "gateway/control/control_protocol.h"
#include "tools/flowctl/gateway_access.h"
#include "tools/flowctl/interruption.h"
#include "tools/flowctl/reply.h"
#include "tools/flowctl/table.h"
#include "tools/flowctl/top_table.h"

namespace flowctl {
namespace {

using base::Unexpected;
using Kind = gateway::ControlRequest::Kind;

struct Figure {
  std::string name;
  std::string text;
  std::uint64_t number = 0;
  bool is_number = false;
};

// Names with what they are part of in front: "up.bytes".
void collect(const Json& object, const std::string& prefix, std::vector<Figure>& into) {
  for (const auto& [key, value] : object.items()) {
    const std::string name = prefix + base::printable(key);
    if (value.is_object()) {
      collect(value, name + ".", into);
    } else if (value.is_number_unsigned()) {
      into.push_back({name, value.dump(), value.get<std::uint64_t>(), true});
    } else {
      into.push_back(
          {name, value.is_string() ? base::printable(value.get<std::string>()) : value.dump()});
    }
  }
}

std::string table_of(const std::vector<Figure>& now, const std::vector<Figure>& before,
                     double seconds, bool colours) {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < now.size(); ++i) {
    std::string gain;
    if (now[i].is_number && i < before.size() && before[i].name == now[i].name &&
        now[i].number > before[i].number && now[i].name != "uptime_ms") {
      gain = human_rate(static_cast<double>(now[i].number - before[i].number) / seconds) + "/s";
    }
    rows.push_back({{now[i].name, Style::kBold}, {now[i].text}, {gain, Style::kGood}});
  }
  return table_text({{"WHAT"}, {"NOW", true}, {"GAINS", true}}, rows, colours);
}

}  // namespace

base::Result<void, Failure> watch_stats(const Options& options, Output& output, bool colours) {
  const Interruption interruption;
  const auto interval = options.interval.value_or(std::chrono::milliseconds(1'000));
  const std::string_view begin =
      ::isatty(STDOUT_FILENO) == 1 && !options.json ? "\x1b[H\x1b[2J" : "";
  std::vector<Figure> before;
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
      std::vector<Figure> figures;
      collect(stats, "", figures);
      output.text() += i > 0 && begin.empty() ? "\n" : begin;
      output.text() +=
          table_of(figures, before, std::chrono::duration<double>(now - last).count(), colours);
      before = std::move(figures);
    }
    last = now;
    output.flush();
  }
  return {};
}

}  // namespace flowctl
