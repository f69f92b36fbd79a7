// Without Unexpected, a Result<Error, Error> could not say which side it means.
#include "base/error.h"

base::SysResult<int> opened() {
#ifdef MUST_NOT_COMPILE
  return base::last_error("open");
#else
  return base::Unexpected{base::last_error("open")};
#endif
}
