#include "integration/support/pseudo_terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

#include "integration/support/must.h"

namespace integration {

void Screen::resize(std::size_t columns, std::size_t rows) {
  columns_ = columns;
  rows_.resize(rows);
  for (Row& row : rows_) {
    row.cells.resize(columns, " ");
  }
  row_ = std::min(row_, rows - 1);
  column_ = std::min(column_, columns);
}

std::string Screen::line(std::size_t row) const {
  std::string text;
  for (const std::string& cell : rows_.at(row).cells) {
    text += cell;
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

std::string Screen::text() const {
  std::string text;
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    text += line(row) + "\n";
  }
  return text;
}

std::string Screen::selected() const {
  std::string text;
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    text += rows_[row].reverse ? line(row) + "\n" : "";
  }
  return text;
}

void Screen::take(std::string_view bytes) {
  pending_ += bytes;
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const auto first = static_cast<unsigned char>(rest.front());
    std::size_t used = 1;
    if (first == 0x1b) {
      used = sequence(rest);
    } else if (first == '\r') {
      column_ = 0;
    } else if (first == '\n') {
      row_ = std::min(row_ + 1, rows_.size() - 1);
    } else {
      used = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
      if (used <= rest.size()) {
        put(rest.substr(0, used));
      }
    }
    if (used == 0 || used > rest.size()) {
      break;  // the rest of it is still to come
    }
    rest.remove_prefix(used);
  }
  pending_ = std::string(rest);
}

// How long it is; 0: it is not whole yet.
std::size_t Screen::sequence(std::string_view bytes) {
  if (bytes.size() < 3) {
    return 0;
  }
  if (bytes[1] != '[') {
    throw std::runtime_error("an escape sequence that is none of CSI");
  }
  const std::size_t end = bytes.find_first_not_of("0123456789;?", 2);
  if (end == std::string_view::npos) {
    return 0;
  }
  act(bytes[end], bytes.substr(2, end - 2));
  return end + 1;
}

void Screen::act(char final, std::string_view parameters) {
  const auto erase = [&](Row& row, std::size_t from) {
    std::fill(row.cells.begin() + static_cast<std::ptrdiff_t>(std::min(from, columns_)),
              row.cells.end(), " ");
    row.reverse = row.reverse && from > 0;
  };
  if (final == 'H' && parameters.empty()) {
    row_ = 0;
    column_ = 0;
  } else if (final == 'K' && parameters.empty()) {
    erase(rows_[row_], column_);
  } else if (final == 'J' && (parameters.empty() || parameters == "2")) {
    const bool all = parameters == "2";
    erase(rows_[row_], all ? 0 : column_);
    for (std::size_t row = all ? 0 : row_ + 1; row < rows_.size(); ++row) {
      erase(rows_[row], 0);
    }
  } else if (final == 'm') {
    reverse_ = parameters == "7";
    colour_ = colour_ || parameters.find('3') != std::string_view::npos || parameters == "2";
  } else if ((final == 'h' || final == 'l') && parameters == "?1049") {
    alternate_ = final == 'h';
  } else if ((final == 'h' || final == 'l') && parameters == "?25") {
    cursor_visible_ = final == 'h';
  } else if (!((final == 'h' || final == 'l') && parameters == "?7")) {
    throw std::runtime_error(
        "a control sequence that nobody looked at: " + std::string(parameters) + final);
  }
}

void Screen::put(std::string_view character) {
  if (column_ >= columns_) {
    return;  // it does not wrap
  }
  Row& row = rows_[row_];
  if (column_ == 0) {
    row.reverse = reverse_;
  }
  row.cells[column_++] = std::string(character);
}

PseudoTerminal::PseudoTerminal(const Program::Words& words, std::size_t columns, std::size_t rows,
                               const std::vector<std::string>& environment)
    : screen_(columns, rows) {
  const winsize size{.ws_row = static_cast<unsigned short>(rows),
                     .ws_col = static_cast<unsigned short>(columns),
                     .ws_xpixel = 0,
                     .ws_ypixel = 0};
  int ours = -1;
  int theirs = -1;
  must_call(::openpty(&ours, &theirs, nullptr, nullptr, &size), "openpty");
  terminal_ = base::Fd::adopt(ours);
  program_side_ = base::Fd::adopt(theirs);
  ::fcntl(ours, F_SETFD, FD_CLOEXEC);
  ::fcntl(theirs, F_SETFD, FD_CLOEXEC);
  std::vector<char*> arguments;
  for (const std::string& word : words) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  pid_ = must_call(::fork(), "fork");
  if (pid_ == 0) {
    ::login_tty(theirs);  // a session, the terminal, and standard input, output and error
    for (const std::string& one : environment) {
      ::putenv(const_cast<char*>(one.c_str()));
    }
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
}

PseudoTerminal::~PseudoTerminal() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
}

void PseudoTerminal::type(const std::string& keys) const {
  must_call(::write(terminal_.get(), keys.data(), keys.size()), "write to the terminal");
}

void PseudoTerminal::resize(std::size_t columns, std::size_t rows) {
  pump();
  screen_.resize(columns, rows);
  const winsize size{.ws_row = static_cast<unsigned short>(rows),
                     .ws_col = static_cast<unsigned short>(columns),
                     .ws_xpixel = 0,
                     .ws_ypixel = 0};
  must_call(::ioctl(terminal_.get(), TIOCSWINSZ, &size), "TIOCSWINSZ");
}

void PseudoTerminal::signal(int number) const {
  must_call(::kill(pid_, number), "kill");
}

void PseudoTerminal::pump() {
  if (!terminal_.is_open()) {
    return;
  }
  char buffer[4096];
  for (pollfd ready{.fd = terminal_.get(), .events = POLLIN, .revents = 0};
       ::poll(&ready, 1, 0) == 1 && (ready.revents & POLLIN) != 0;) {
    const ssize_t bytes = ::read(terminal_.get(), buffer, sizeof(buffer));
    if (bytes <= 0) {
      return;
    }
    screen_.take({buffer, static_cast<std::size_t>(bytes)});
  }
}

bool PseudoTerminal::is_restored() {
  pump();
  termios now{};
  must_call(::tcgetattr(program_side_.get(), &now), "tcgetattr");
  constexpr tcflag_t kShells = ICANON | ECHO | ISIG | IEXTEN;
  return (now.c_lflag & kShells) == kShells && (now.c_iflag & ICRNL) != 0 &&
         !screen_.is_alternate() && screen_.cursor_is_visible();
}

int PseudoTerminal::wait() {
  int status = 0;
  if (!eventually([&] {
        pump();
        return ::waitpid(pid_, &status, WNOHANG) == pid_;
      })) {
    throw std::runtime_error("the program on the terminal does not end");
  }
  pid_ = -1;
  pump();
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace integration
