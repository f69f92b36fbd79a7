#include "gateway/run/run_command.h"

#include <cstdio>

namespace gateway {

int run(const RunOptions& /*options*/) {
  std::fprintf(stderr, "liftgate run: not built yet\n");
  return 1;
}

}  // namespace gateway
