// A failure that nobody looked at.
#include "base/error.h"

base::SysResult<void> bring_up();

void start() {
#ifdef MUST_NOT_COMPILE
  bring_up();
#else
  if (!bring_up()) {
    return;
  }
#endif
}
