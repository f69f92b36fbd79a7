#include "gateway/serve/serve_command.h"

#include <cstdio>

namespace gateway {

int serve(const Settings& /*settings*/) {
  std::fprintf(stderr, "liftgate serve: not built yet\n");
  return 1;
}

}  // namespace gateway
