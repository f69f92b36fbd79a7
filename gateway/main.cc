// liftgate: the gateway's program.
#include <exception>
#include <iostream>

#include "gateway/cli.h"
#include "netns/sandbox.h"

int main(int argc, char** argv) {
  if (const auto status = netns::helper_main(argc, argv)) {
    return *status;
  }
  try {
    return gateway::command_line_main(argc, argv);
  } catch (const std::exception& why) {  // a library's last word: we throw nothing ourselves
    std::cerr << "liftgate: " << why.what() << '\n';
    return gateway::kExitFailed;
  }
}
