#include "base/fd.h"

#include <unistd.h>

namespace base {

void Fd::reset() noexcept {
  if (const int number = release(); number >= 0) {
    ::close(number);
  }
}

}  // namespace base
