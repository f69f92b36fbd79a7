// Two owners of one descriptor would close it twice.
#include <utility>

#include "base/fd.h"

base::Fd moved_on(base::Fd fd) {
#ifdef MUST_NOT_COMPILE
  return base::Fd(fd);
#else
  return base::Fd(std::move(fd));
#endif
}
