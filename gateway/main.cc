// liftgate: the gateway's program, which is the app without hooks.
#include "gateway/hooks/app.h"

int main(int argc, char** argv) {
  return gateway::hooks::run_program(nullptr, argc, argv);
}
