#include "gateway/inspect/version.h"

namespace gateway {

std::string_view version() {
  return LIFTGATE_VERSION;  // CMakeLists.txt
}

}  // namespace gateway
