#include "tools/flowctl/output.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "tools/flowctl/interruption.h"

namespace flowctl {

void Output::flush() {
  std::string_view rest = text_;
  while (open_ && !rest.empty()) {
    const ssize_t bytes = ::write(descriptor_, rest.data(), rest.size());
    if (bytes < 0 && errno != EINTR) {
      open_ = false;
      error_ = errno == EPIPE ? "" : base::last_error("write to " + name_).message();
      break;
    }
    rest.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(bytes, 0)));
    // Only a signal cuts a write that may block.
    open_ = rest.empty() || !was_interrupted();
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
