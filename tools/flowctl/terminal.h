// Terminal: the whole screen for a while, and the keys that are typed; as it was before,
// afterwards.
#pragma once

#include <termios.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace flowctl {

enum class LineStyle : std::uint8_t { kPlain, kHeader, kSelected, kFaint, kAlert };

struct ScreenLine {
  std::string text;  // UTF-8, no wider than the screen
  LineStyle style = LineStyle::kPlain;
};

struct ScreenSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

class Terminal {
 public:
  /// Takes the terminal that standard input and output are. Fails where they are none.
  static base::SysResult<Terminal> take(bool colours);
  /// Gives it back.
  ~Terminal();
  Terminal(Terminal&& other) noexcept;
  Terminal& operator=(Terminal&&) = delete;

  [[nodiscard]] ScreenSize size() const;
  /// Readable when something was typed.
  [[nodiscard]] const base::Fd& keyboard() const { return keyboard_; }
  /// What was typed; empty when the terminal has gone.
  [[nodiscard]] std::string typed() const;
  /// Shows `lines` from the top on, and nothing else.
  void show(const std::vector<ScreenLine>& lines) const;

 private:
  Terminal(base::Fd keyboard, const termios& before, bool colours)
      : keyboard_(std::move(keyboard)), before_(before), colours_(colours) {}

  base::Fd keyboard_;  // not open: moved from
  termios before_;
  bool colours_;
};

/// The frame that shows `lines`: one write, nothing cleared that is drawn again.
std::string frame_of(const std::vector<ScreenLine>& lines, bool colours);

/// As much of `text` as `columns` hold, in characters.
std::string clipped(std::string_view text, std::size_t columns);

}  // namespace flowctl
