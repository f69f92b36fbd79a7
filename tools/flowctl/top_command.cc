#include "tools/flowctl/top_command.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/time.h"
#include "gateway/control/control_protocol.h"
#include "tools/flowctl/gateway_access.h"
#include "tools/flowctl/interruption.h"
#include "tools/flowctl/rates.h"
#include "tools/flowctl/reply.h"
#include "tools/flowctl/terminal.h"
#include "tools/flowctl/top_screen.h"
#include "tools/flowctl/top_table.h"

namespace flowctl {
namespace {

using base::Unexpected;
using gateway::ControlRequest;
using std::chrono::milliseconds;
using Done = base::Result<void, Failure>;
using Kind = ControlRequest::Kind;

constexpr milliseconds kInterval{1'000};
constexpr milliseconds kShortest{100};
constexpr milliseconds kLongest{60'000};
constexpr milliseconds kPatience{2'000};
constexpr std::uint64_t kPlainRows = 20;

// What the environment says about the terminal's characters, as setlocale(3) would read it.
bool knows_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') {
      const std::string_view locale = value;
      return locale.find("UTF-8") != std::string_view::npos ||
             locale.find("utf8") != std::string_view::npos;
    }
  }
  return false;
}

// The gateway's flows, and what is known of it besides.
class Watched {
 public:
  static base::Result<Watched, Failure> open(const Options& options) {
    auto listing = FlowListing::ask(choose_socket(options.socket));
    if (!listing) {
      return Unexpected{listing.error()};
    }
    return Watched(options, std::move(listing).value());
  }

  void look(const gateway::FlowFilter& filter, Grouping grouping) {
    meter_.look(listing_, filter, grouping, base::to_nanoseconds(base::Clock::now()));
  }
  [[nodiscard]] RateMeter& meter() { return meter_; }
  [[nodiscard]] const FlowListing& listing() const { return listing_; }

  /// Asks for the names of tunnels that have come since, where there are any. False: the gateway
  /// has ended.
  bool refresh() {
    const ControlRequest request =
        listing_.lacks_names() ? gateway::flows_request() : ControlRequest{.kind = Kind::kPing};
    const auto reply = ask(choose_socket(options_.socket), request, kPatience);
    if (!reply) {
      return reply.error().status != ExitStatus::kNoGateway;
    }
    const auto names = granted(reply->line);
    if (names && request.kind == Kind::kFlows) {
      listing_.set_names(names_in(*names));
    }
    return true;
  }

 private:
  Watched(const Options& options, FlowListing listing)
      : options_(options), listing_(std::move(listing)) {}

  const Options& options_;
  FlowListing listing_;
  RateMeter meter_;
};

milliseconds interval_of(const Options& options) {
  return std::clamp(options.interval.value_or(kInterval), kShortest, kLongest);
}

Done say_ended() {
  std::fputs("flowctl: the gateway has ended\n", stderr);
  return {};
}

Done plain(const Options& options, Output& output, bool colours, Watched& watched,
           const gateway::FlowFilter& filter) {
  const Interruption interruption;
  const Grouping grouping = options.grouping;
  const RateOrder order = options.rate_order;
  const std::uint64_t count = options.once ? 1 : options.count.value_or(UINT64_MAX);
  watched.look(filter, grouping);
  for (std::uint64_t i = 0; i < count && output.is_open(); ++i) {
    if (interruption.wait_for_signal(interval_of(options))) {
      return {};
    }
    if (!watched.refresh()) {
      return say_ended();
    }
    watched.look(filter, grouping);
    std::vector<RateRow> rows = watched.meter().rows(order);
    rows.resize(std::min<std::size_t>(
        rows.size(), options.limit.value_or(options.json ? UINT64_MAX : kPlainRows)));
    if (options.json) {
      append_top_json(output.text(), rows, grouping, watched.meter(), watched.listing());
    } else {
      const TopTable table =
          top_table(rows, grouping, watched.meter(), watched.listing(), 0, false);
      output.text() +=
          (i > 0 ? "\n" : "") +
          (rows.empty() ? "There are no flows.\n" : table_text(table.columns, table.rows, colours));
    }
    output.flush();
  }
  return {};
}

// The view of the whole screen.
class FullScreen {
 public:
  FullScreen(const Options& options, Watched& watched, gateway::FlowFilter filter)
      : options_(options),
        watched_(watched),
        filter_(std::move(filter)),
        screen_(options.grouping, options.rate_order, joined(options.filter)),
        interval_(interval_of(options)) {}

  Done run(bool colours) {
    const Interruption interruption({SIGWINCH});
    bool ended = false;
    {
      const auto terminal = Terminal::take(colours);
      if (!terminal) {
        return Unexpected{Failure{ExitStatus::kFailed, terminal.error().message()}};
      }
      ended = loop(interruption, *terminal);
    }  // the terminal is the shell's again: now something may be said
    return ended ? say_ended() : Done{};
  }

 private:
  static std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) {
      text += (text.empty() ? "" : " ") + word;
    }
    return text;
  }

  // Until it is left. True: because the gateway has ended.
  bool loop(const Interruption& interruption, const Terminal& terminal) {
    base::Instant next_look = base::Clock::now();
    while (true) {
      const base::Instant now = base::Clock::now();
      if (now >= next_look) {
        next_look = now + interval_;
        if (!watched_.refresh()) {
          return true;
        }
        if (!screen_.is_paused()) {
          watched_.look(filter_, screen_.grouping());
        }
      }
      draw(terminal);
      const auto left = std::chrono::ceil<milliseconds>(next_look - base::Clock::now());
      const auto woke = interruption.wait(
          {.readable = terminal.keyboard(), .limit = std::max(left, milliseconds(0))});
      if (woke == Interruption::Woke::kSignal) {
        const auto signal = interruption.take();
        if (signal && *signal != SIGWINCH) {
          return false;
        }
      } else if (woke == Interruption::Woke::kReady && !take_keys(terminal)) {
        return false;
      }
    }
  }

  void draw(const Terminal& terminal) {
    const ScreenSize size = terminal.size();
    const std::vector<RateRow> rows = watched_.meter().rows(screen_.order(), screen_.ascending());
    const auto window = screen_.scroll(rows, size);
    const TopTable table =
        top_table(std::span(rows).subspan(window.first, window.count), screen_.grouping(),
                  watched_.meter(), watched_.listing(), RateMeter::kHistory, utf8_);
    terminal.show(screen_.lines(table, watched_.meter().totals(), size));
  }

  // False: it is to be left.
  bool take_keys(const Terminal& terminal) {
    const std::string typed = terminal.typed();
    for (const Key& key : keys_in(typed)) {
      if (!act_on(screen_.handle(key))) {
        return false;
      }
    }
    return !typed.empty();
  }

  bool act_on(TopScreen::Wish wish) {
    switch (wish) {
      case TopScreen::Wish::kNothing:
        return true;
      case TopScreen::Wish::kQuit:
        return false;
      case TopScreen::Wish::kKill:
        kill(screen_.flow_to_kill());
        return true;
      case TopScreen::Wish::kFilter:
        set_filter();
        return true;
      case TopScreen::Wish::kGrouping:
        look_anew();
        return true;
      case TopScreen::Wish::kFaster:
        interval_ = std::max(interval_ / 2, kShortest);
        screen_.say("every " + std::to_string(interval_.count()) + " ms");
        return true;
      case TopScreen::Wish::kSlower:
        interval_ = std::min(interval_ * 2, kLongest);
        screen_.say("every " + std::to_string(interval_.count()) + " ms");
        return true;
    }
    return true;
  }

  void kill(std::uint64_t id) {
    const auto reply =
        ask(choose_socket(options_.socket), {.kind = Kind::kKill, .flow_id = id}, kPatience);
    const auto done = reply ? granted(reply->line) : Unexpected{reply.error()};
    screen_.say(done ? "Flow " + std::to_string(id) + " was killed." : done.error().message);
  }

  void set_filter() {
    auto filter = gateway::FlowFilter::parse(std::vector{screen_.typed()});
    if (!filter) {
      screen_.say(filter.error());
      return;
    }
    filter_ = std::move(filter).value();
    screen_.accept_filter();
    look_anew();
  }

  void look_anew() {
    watched_.meter().forget_history();
    watched_.look(filter_, screen_.grouping());
  }

  const Options& options_;
  Watched& watched_;
  gateway::FlowFilter filter_;
  TopScreen screen_;
  milliseconds interval_;
  bool utf8_ = knows_utf8();
};

}  // namespace

Done top(const Options& options, Output& output, bool colours) {
  auto filter = gateway::FlowFilter::parse(options.filter);
  if (!filter) {
    return Unexpected{Failure{ExitStatus::kUsage, filter.error()}};
  }
  auto watched = Watched::open(options);
  if (!watched) {
    return Unexpected{watched.error()};
  }
  const bool whole_screen = !options.once && !options.count && !options.json &&
                            ::isatty(STDOUT_FILENO) == 1 && ::isatty(STDIN_FILENO) == 1;
  if (!whole_screen) {
    return plain(options, output, colours, *watched, *filter);
  }
  return FullScreen(options, *watched, std::move(filter).value()).run(colours);
}

}  // namespace flowctl
