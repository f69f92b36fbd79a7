#include "tools/flowctl/top_screen.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/utf8.h"

namespace flowctl {
namespace {

using Kind = Key::Kind;

constexpr std::size_t kFurniture = 4;  // title, filter and order, header, keys

constexpr std::string_view kKeys =
    "q quit  v view  s sort  r reverse  / filter  k kill  p pause  +/- interval  h help";

constexpr std::string_view kHelp[] = {
    "",
    "  v, Tab           show flows, tenants, tunnels, rules; f, t, u, l: one of them",
    "  s                sort by rate, up, down, packets, bytes, flows, age, id",
    "  r                the other way round",
    "  /                filter, as `flowctl flows --help` says; an empty one shows everything",
    "  arrows, j        select; Page Up, Page Down, Home, End go further",
    "  k                kill the selected flow: it is asked whether you mean it",
    "  p, space         stop and go on",
    "  + -              look more or less often",
    "  h, ?             this",
    "  q, Ctrl-C        end",
    "",
    "  Rates are per second, up from the tunnel, down to it, as the tunnel carries them.",
};

}  // namespace

TopScreen::Wish TopScreen::handle(const Key& key) {
  message_.clear();
  if (key.kind == Kind::kInterrupt) {
    return Wish::kQuit;
  }
  switch (std::exchange(mode_, Mode::kRows)) {
    case Mode::kHelp:
      return Wish::kNothing;  // any key ends it
    case Mode::kTypingFilter:
      return handle_typing(key);
    case Mode::kConfirmingKill:
      if (key.kind == Kind::kCharacter && (key.character == 'y' || key.character == 'Y')) {
        return Wish::kKill;
      }
      say("Not killed.");
      return Wish::kNothing;
    case Mode::kRows:
      break;
  }
  return handle_in_rows(key);
}

TopScreen::Wish TopScreen::handle_typing(const Key& key) {
  if (key.kind == Kind::kEnter) {
    return Wish::kFilter;
  }
  if (key.kind == Kind::kEscape) {
    return Wish::kNothing;
  }
  if (key.kind == Kind::kBackspace && !typed_.empty()) {
    typed_.pop_back();
  } else if (key.kind == Kind::kCharacter) {
    typed_ += key.character;
  }
  mode_ = Mode::kTypingFilter;
  return Wish::kNothing;
}

TopScreen::Wish TopScreen::handle_in_rows(const Key& key) {
  const auto page = static_cast<std::ptrdiff_t>(page_);
  switch (key.kind) {
    case Kind::kUp:
      move(-1);
      break;
    case Kind::kDown:
      move(1);
      break;
    case Kind::kPageUp:
      move(-page);
      break;
    case Kind::kPageDown:
      move(page);
      break;
    case Kind::kHome:
      move(-static_cast<std::ptrdiff_t>(selected_));
      break;
    case Kind::kEnd:
      move(static_cast<std::ptrdiff_t>(keys_.size()));
      break;
    case Kind::kTab:
      return handle_character('v');
    case Kind::kCharacter:
      return handle_character(key.character);
    case Kind::kEnter:
    case Kind::kBackspace:
    case Kind::kEscape:
    case Kind::kInterrupt:
    case Kind::kOther:
      break;
  }
  return Wish::kNothing;
}

TopScreen::Wish TopScreen::handle_character(char c) {
  switch (c) {
    case 'q':
      return Wish::kQuit;
    case 'v':
      grouping_ = next(grouping_);
      return Wish::kGrouping;
    case 'f':
      grouping_ = Grouping::kFlow;
      return Wish::kGrouping;
    case 't':
      grouping_ = Grouping::kTenant;
      return Wish::kGrouping;
    case 'u':
      grouping_ = Grouping::kTunnel;
      return Wish::kGrouping;
    case 'l':
      grouping_ = Grouping::kRule;
      return Wish::kGrouping;
    case 's':
      order_ = next(order_);
      return Wish::kNothing;
    case 'r':
      ascending_ = !ascending_;
      return Wish::kNothing;
    case '/':
      typed_ = filter_;
      mode_ = Mode::kTypingFilter;
      return Wish::kNothing;
    case 'j':
      move(1);
      return Wish::kNothing;
    case 'k':
      if (grouping_ == Grouping::kFlow && selected_ < keys_.size()) {
        to_kill_ = keys_[selected_];
        mode_ = Mode::kConfirmingKill;
      } else {
        say("Only a flow can be killed: press f to see the flows.");
      }
      return Wish::kNothing;
    case 'p':
    case ' ':
      paused_ = !paused_;
      return Wish::kNothing;
    case '+':
      return Wish::kFaster;
    case '-':
      return Wish::kSlower;
    case 'h':
    case '?':
      mode_ = Mode::kHelp;
      return Wish::kNothing;
    default:
      return Wish::kNothing;
  }
}

void TopScreen::move(std::ptrdiff_t by) {
  const auto last = static_cast<std::ptrdiff_t>(keys_.empty() ? 0 : keys_.size() - 1);
  selected_ = static_cast<std::size_t>(
      std::clamp<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(selected_) + by, 0, last));
  moved_ = true;
}

TopScreen::Window TopScreen::scroll(std::span<const RateRow> rows, ScreenSize size) {
  if (moved_ && selected_ < keys_.size()) {
    selected_key_ = keys_[selected_];
  }
  keys_.clear();
  for (const RateRow& row : rows) {
    keys_.push_back(row.key);
  }
  if (moved_) {  // who has never moved stays at the top, whoever is there
    const auto found = std::ranges::find(keys_, selected_key_);
    if (found != keys_.end()) {
      selected_ = static_cast<std::size_t>(found - keys_.begin());
    }
  }
  selected_ = std::min(selected_, keys_.empty() ? 0 : keys_.size() - 1);
  page_ = size.rows > kFurniture ? size.rows - kFurniture : 1;
  first_ = std::clamp(first_, selected_ + 1 > page_ ? selected_ + 1 - page_ : 0, selected_);
  if (keys_.size() <= page_) {
    first_ = 0;
  }
  return {.first = first_, .count = std::min(page_, keys_.size() - first_)};
}

std::string TopScreen::title(const RateTotals& totals) const {
  return "liftgate top  " + std::to_string(totals.flows) + " flows  up " +
         human_rate(totals.up.bits) + "bit/s " + human_rate(totals.up.packets) + "pkt/s  down " +
         human_rate(totals.down.bits) + "bit/s " + human_rate(totals.down.packets) + "pkt/s" +
         (paused_ ? "  PAUSED" : "");
}

ScreenLine TopScreen::last_line() const {
  if (mode_ == Mode::kTypingFilter) {
    return {"filter: " + typed_ + "_", LineStyle::kHeader};
  }
  if (mode_ == Mode::kConfirmingKill) {
    return {"Kill flow " + std::to_string(to_kill_) + "? Both of its ends are reset. y/n",
            LineStyle::kAlert};
  }
  return message_.empty() ? ScreenLine{std::string(kKeys), LineStyle::kFaint}
                          : ScreenLine{base::printable(message_), LineStyle::kAlert};
}

std::vector<ScreenLine> TopScreen::lines(const TopTable& table, const RateTotals& totals,
                                         ScreenSize size) const {
  std::vector<ScreenLine> lines;
  lines.push_back({title(totals), LineStyle::kHeader});
  lines.push_back({"by " + std::string(name(grouping_)) + ", sorted by " +
                       std::string(name(order_)) + (ascending_ ? " (lowest first)" : "") +
                       (filter_.empty() ? "" : ", only " + base::printable(filter_)),
                   LineStyle::kPlain});
  if (mode_ == Mode::kHelp) {
    for (const std::string_view line : kHelp) {
      lines.push_back({std::string(line)});
    }
  } else {
    Table text(table.columns, /*colours=*/false);
    for (const Row& row : table.rows) {
      text.measure(row);
    }
    std::string header;
    text.print_header(header);
    header.pop_back();
    lines.push_back({header, LineStyle::kHeader});
    for (std::size_t i = 0; i < table.rows.size(); ++i) {
      std::string row;
      text.print(row, table.rows[i]);
      row.pop_back();
      lines.push_back({row, first_ + i == selected_ ? LineStyle::kSelected : LineStyle::kPlain});
    }
  }
  lines.resize(size.rows > 1 ? size.rows - 1 : 0);
  lines.push_back(last_line());
  for (ScreenLine& line : lines) {
    line.text = clipped(line.text, size.columns);
  }
  return lines;
}

}  // namespace flowctl
