#include "tools/flowctl/output.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace flowctl {

void Output::flush() {
  std::string_view rest = text_;
  while (open_ && !rest.empty()) {
    const ssize_t bytes = ::write(descriptor_, rest.data(), rest.size());
    if (bytes >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(bytes));
    } else if (errno != EINTR) {
      open_ = false;
      error_ = errno == EPIPE ? "" : base::last_error("write to standard output").message();
    }
  }
  text_.clear();
}

bool wants_colours(int descriptor) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool refused = no_color != nullptr && *no_color != '\0';
  const bool dumb = term == nullptr || std::string_view(term) == "dumb";
  return !refused && !dumb && ::isatty(descriptor) == 1;
}

}  // namespace flowctl
