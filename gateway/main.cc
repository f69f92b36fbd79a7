// liftgate: the gateway's program.
#include <exception>
#include <iostream>
#include <string>
#include <system_error>

#include "gateway/cli.h"
#include "gateway/descriptors.h"
#include "netns/sandbox.h"

int main(int argc, char** argv) {
  if (const auto status = netns::helper_main(argc, argv)) {
    return *status;
  }
  try {
    return gateway::command_line_main(argc, argv);
  } catch (const std::system_error& why) {
    const base::Error error{why.code(), why.what(), {}};
    const std::string cure = gateway::with_descriptor_cure(error).cure;
    std::cerr << "liftgate: " << why.what() << (cure.empty() ? "" : ". ") << cure << '\n';
    return gateway::kExitFailed;
  } catch (const std::exception& why) {  // a library's last word: we throw nothing ourselves
    std::cerr << "liftgate: " << why.what() << '\n';
    return gateway::kExitFailed;
  }
}
