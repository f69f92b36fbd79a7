// liftgate: the gateway's program.
#include <cstdio>

int main() {
  std::fprintf(stderr, "liftgate: not built yet\n");
  return 1;
}
