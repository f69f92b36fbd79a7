// TopScreen: the full-screen view of `flowctl top`: what keys do to it, and what it shows. Pure:
// keys in, lines out.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tools/flowctl/keys.h"
#include "tools/flowctl/rates.h"
#include "tools/flowctl/terminal.h"
#include "tools/flowctl/top_table.h"

namespace flowctl {

class TopScreen {
 public:
  TopScreen(Grouping grouping, RateOrder order, std::string filter)
      : grouping_(grouping), order_(order), filter_(std::move(filter)) {}

  /// What a key asks for beyond the screen itself.
  enum class Wish : std::uint8_t { kNothing, kQuit, kKill, kFilter, kGrouping, kFaster, kSlower };
  Wish handle(const Key& key);
  /// kKill: the flow that was meant when it was asked for.
  [[nodiscard]] std::uint64_t flow_to_kill() const { return to_kill_; }
  /// kFilter: what was typed. accept_filter() makes it the filter.
  [[nodiscard]] const std::string& typed() const { return typed_; }
  void accept_filter() { filter_ = typed_; }
  /// One line, until the next key.
  void say(std::string message) { message_ = std::move(message); }

  [[nodiscard]] Grouping grouping() const { return grouping_; }
  [[nodiscard]] RateOrder order() const { return order_; }
  [[nodiscard]] bool ascending() const { return ascending_; }
  [[nodiscard]] bool is_paused() const { return paused_; }

  /// The rows that there are now, in their order: the selection stays with its flow. Which of them
  /// a screen of `size` has room for.
  struct Window {
    std::size_t first = 0;
    std::size_t count = 0;
  };
  Window scroll(std::span<const RateRow> rows, ScreenSize size);

  /// `table` is of the rows of that window.
  [[nodiscard]] std::vector<ScreenLine> lines(const TopTable& table, const RateTotals& totals,
                                              ScreenSize size) const;

 private:
  enum class Mode : std::uint8_t { kRows, kHelp, kTypingFilter, kConfirmingKill };

  Wish handle_in_rows(const Key& key);
  Wish handle_character(char c);
  Wish handle_typing(const Key& key);
  void move(std::ptrdiff_t by);
  [[nodiscard]] std::string title(const RateTotals& totals) const;
  [[nodiscard]] ScreenLine last_line() const;

  Grouping grouping_;
  RateOrder order_;
  bool ascending_ = false;
  bool paused_ = false;
  Mode mode_ = Mode::kRows;
  std::string filter_;
  std::string typed_;
  std::string message_;
  std::uint64_t to_kill_ = 0;
  std::vector<std::uint64_t> keys_;  // of the rows
  std::size_t selected_ = 0;
  bool moved_ = false;  // since keys_ were set: selected_ counts, not selected_key_
  std::uint64_t selected_key_ = 0;
  std::size_t first_ = 0;
  std::size_t page_ = 1;
};

}  // namespace flowctl
