// PseudoTerminal: a program on a terminal of its own, and what that terminal shows.
//
// The emulation knows what our programs use of ECMA-48 and xterm: cursor home, erase, SGR (ignored
// but for reverse video), the alternate screen and the cursor's visibility. Anything else is a
// failure of the test, so that nothing is drawn that was not looked at.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "integration/support/program.h"
#include "integration/support/wait.h"

namespace integration {

class Screen {
 public:
  Screen(std::size_t columns, std::size_t rows) { resize(columns, rows); }

  void take(std::string_view bytes);
  void resize(std::size_t columns, std::size_t rows);

  /// Trimmed on the right.
  [[nodiscard]] std::string line(std::size_t row) const;
  [[nodiscard]] std::string text() const;
  /// The lines that are shown in reverse video.
  [[nodiscard]] std::string selected() const;
  [[nodiscard]] bool is_alternate() const { return alternate_; }
  [[nodiscard]] bool cursor_is_visible() const { return cursor_visible_; }
  [[nodiscard]] bool has_colour() const { return colour_; }

 private:
  struct Row {
    std::vector<std::string> cells;  // a character each
    bool reverse = false;
  };

  std::size_t sequence(std::string_view bytes);
  void act(char final, std::string_view parameters);
  void put(std::string_view character);

  std::size_t columns_ = 0;
  std::vector<Row> rows_;
  std::size_t row_ = 0;
  std::size_t column_ = 0;
  bool reverse_ = false;
  bool alternate_ = false;
  bool cursor_visible_ = true;
  bool colour_ = false;
  std::string pending_;  // the beginning of a sequence or character
};

class PseudoTerminal {
 public:
  PseudoTerminal(const Program::Words& words, std::size_t columns, std::size_t rows,
                 const std::vector<std::string>& environment = {});
  /// Kills the program when it still runs.
  ~PseudoTerminal();
  PseudoTerminal(const PseudoTerminal&) = delete;
  PseudoTerminal& operator=(const PseudoTerminal&) = delete;

  void type(const std::string& keys) const;
  void resize(std::size_t columns, std::size_t rows);
  void signal(int number) const;
  /// Closes the terminal, as the window or the connection that it was in. Nothing is shown any
  /// more.
  void hang_up() { terminal_.reset(); }

  /// Whether the screen came to be so. Everything up to then has been taken in.
  template <class Condition>
  bool shows(Condition condition, base::Duration limit = kPatience) {
    return eventually(
        [&] {
          pump();
          return condition(screen_);
        },
        limit);
  }
  bool shows(const std::string& text) {
    return shows(
        [&](const Screen& screen) { return screen.text().find(text) != std::string::npos; });
  }
  bool shows(const char* text) { return shows(std::string(text)); }
  [[nodiscard]] const Screen& screen() const { return screen_; }

  /// Whether the terminal is as a shell wants it: lines, echo, signals; of the main screen.
  [[nodiscard]] bool is_restored();
  /// The exit status, or 128 + signal.
  int wait();

 private:
  void pump();

  Screen screen_;
  base::Fd terminal_;  // our side
  base::Fd program_side_;
  pid_t pid_ = -1;  // until it was waited for
};

}  // namespace integration
