#include "tools/flowctl/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace flowctl {
namespace {

// DEC private modes of xterm and its like: the alternate screen, the cursor, and wrapping.
constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
constexpr std::string_view kLeave = "\x1b[?7h\x1b[?25h\x1b[?1049l";

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t bytes = ::write(STDOUT_FILENO, text.data(), text.size());
    if (bytes < 0 && errno != EINTR) {
      return;  // the terminal has gone, which reading from it will say
    }
    text.remove_prefix(bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
  }
}

std::string_view escape(LineStyle style, bool colours) {
  switch (style) {
    case LineStyle::kPlain:
      return "";
    case LineStyle::kHeader:
      return "\x1b[1m";
    case LineStyle::kSelected:
      return "\x1b[7m";  // no colour, and the only way to see it
    case LineStyle::kFaint:
      return colours ? "\x1b[2m" : "";
    case LineStyle::kAlert:
      return colours ? "\x1b[1;31m" : "\x1b[1m";
  }
  return "";
}

}  // namespace

base::SysResult<Terminal> Terminal::take(bool colours) {
  termios before{};
  if (::isatty(STDOUT_FILENO) != 1 || ::tcgetattr(STDIN_FILENO, &before) != 0) {
    return base::Unexpected{base::last_error("standard input and output must be a terminal")};
  }
  base::Fd keyboard = base::Fd::adopt(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0));
  termios raw = before;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG | IEXTEN);
  raw.c_iflag &= ~static_cast<tcflag_t>(IXON | ICRNL | INLCR);
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 0;
  if (::tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) != 0) {
    return base::Unexpected{base::last_error("tcsetattr")};
  }
  write_all(kEnter);
  return Terminal(std::move(keyboard), before, colours);
}

Terminal::~Terminal() {
  if (keyboard_.is_open()) {
    write_all(kLeave);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
}

Terminal::Terminal(Terminal&& other) noexcept = default;

ScreenSize Terminal::size() const {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
    return {};
  }
  return {.columns = size.ws_col, .rows = size.ws_row};
}

std::string Terminal::typed() const {
  std::array<char, 256> bytes;
  const ssize_t count = ::read(keyboard_.get(), bytes.data(), bytes.size());
  return {bytes.data(), count > 0 ? static_cast<std::size_t>(count) : 0};
}

void Terminal::show(const std::vector<ScreenLine>& lines) const {
  write_all(frame_of(lines, colours_));
}

std::string frame_of(const std::vector<ScreenLine>& lines, bool colours) {
  std::string frame = "\x1b[H";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string_view style = escape(lines[i].style, colours);
    frame += i == 0 ? "" : "\r\n";
    frame.append(style).append(lines[i].text).append(style.empty() ? "" : "\x1b[0m");
    frame += "\x1b[K";
  }
  return frame + "\x1b[J";
}

std::string clipped(std::string_view text, std::size_t columns) {
  std::size_t end = 0;
  for (std::size_t shown = 0; end < text.size(); ++end) {
    const bool begins = (static_cast<unsigned char>(text[end]) & 0xc0U) != 0x80;
    if (begins && shown++ == columns) {
      break;
    }
  }
  return std::string(text.substr(0, end));
}

}  // namespace flowctl
